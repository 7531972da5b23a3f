import { InMemoryConsumers } from '../fakes/in-memory-consumers.ts';
import { consumerLinkContract } from './consumer-link.contract.ts';

consumerLinkContract('InMemoryConsumers', async () => {
  const table = new InMemoryConsumers();
  return {
    link: table,
    rollouts: table,
    uses: async (secretId) => table.uses.filter((report) => report.secretId === secretId),
  };
});
