import { InMemoryAuditTrail } from '../fakes/in-memory-audit-trail.ts';
import { auditTrailContract } from './audit-trail.contract.ts';

auditTrailContract('InMemoryAuditTrail', () => {
  const trail = new InMemoryAuditTrail();
  return Promise.resolve({ first: trail, second: trail });
});
