import type { Clock } from '../../clock.ts';
import type { ManagementLogin } from './administrator.ts';
import type { AmqpLogins } from './amqp-login.ts';
import { Management } from './management.ts';
import type { Transport } from './transport.ts';

/** How the parts of the rotator reach brokers. */
export interface Broker {
  readonly clock: Clock;
  readonly transport: Transport;
  readonly logins: AmqpLogins;
}

/** The management API for `work`; its connections are closed afterwards. */
export async function managing<Result>(
  { transport }: Broker,
  login: ManagementLogin,
  work: (management: Management) => Promise<Result>,
): Promise<Result> {
  const management = new Management(login, transport);
  try {
    return await work(management);
  } finally {
    management.end();
  }
}
