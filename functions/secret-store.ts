import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SecretsManagerStore } from '../shared/aws/secrets-manager-store.ts';

/** Made once per container. */
export const secretStore = new SecretsManagerStore(new SecretsManagerClient({}));
