import { openPostgresql } from './postgresql-target-harness.ts';
import { rotatorContract } from './rotator.contract.ts';

rotatorContract('postgresql', () => openPostgresql({ privileges: 'read_only' }), { kind: 'chosen', isVariant: true });
