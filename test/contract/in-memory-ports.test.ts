import { InMemoryAuditTrail } from '../fakes/in-memory-audit-trail.ts';
import { InMemoryRegistry } from '../fakes/in-memory-registry.ts';
import { InMemorySecretStore } from '../fakes/in-memory-secret-store.ts';
import { InMemoryConsumers } from '../fakes/in-memory-consumers.ts';
import { registryContract } from './registry.contract.ts';
import { rolloutStoreContract } from './rollout-store.contract.ts';
import { secretStoreContract } from './secret-store.contract.ts';

registryContract('InMemoryRegistry', async () => {
  const auditTrail = new InMemoryAuditTrail();
  const registry = new InMemoryRegistry(auditTrail);
  return { registry, auditTrail, spoil: async (secretId, text) => registry.spoil(secretId, text) };
});
secretStoreContract(
  'InMemorySecretStore',
  async () => new InMemorySecretStore(),
  () => `contract/${crypto.randomUUID()}`,
);
rolloutStoreContract('InMemoryConsumers', async () => {
  const consumers = new InMemoryConsumers();
  return { rollouts: consumers, link: consumers };
});
