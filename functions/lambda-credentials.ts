import { Misconfigured } from '../shared/errors.ts';

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/**
 * Takes the place of the AWS SDK's `@aws-sdk/credential-provider-node` in the bundles: the role's credentials, from
 * where Lambda puts them, and from nowhere else. What else the SDK would look through (profiles, processes, SSO, web
 * identities, instance metadata) is a fifth of a bundle, and nothing that a function should ever take credentials from.
 * https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
 */
export function defaultProvider(): () => Promise<Credentials> {
  return async () => {
    const {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken,
    } = process.env;
    if (accessKeyId === undefined || secretAccessKey === undefined) {
      throw new Misconfigured('The environment holds no AWS credentials: a Lambda function has those of its role.');
    }
    return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
  };
}
