import type { Clock } from '../../clock.ts';
import type { AwsClients } from './aws-clients.ts';

/** What every step of the rotator works with. */
export interface IamContext {
  readonly clock: Clock;
  readonly aws: AwsClients;
}
