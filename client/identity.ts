import { hostname, networkInterfaces } from 'node:os';

export interface ProcessIdentity {
  /** For people: `host-7 (pid 12)`; in Lambda, the function and the end of its log stream's name. */
  readonly host: string;
  /** The first address of this machine that others can reach; empty where there is none. */
  readonly ipAddress: string;
}

/** Who this process is, as it tells Rekey. */
export function processIdentity(environment: NodeJS.ProcessEnv = process.env): ProcessIdentity {
  const { AWS_LAMBDA_FUNCTION_NAME: lambda, AWS_LAMBDA_LOG_STREAM_NAME: stream = '' } = environment;
  return {
    host: lambda === undefined ? `${hostname()} (pid ${process.pid})` : `${lambda} (${stream.slice(-8)})`,
    ipAddress:
      Object.values(networkInterfaces())
        .flatMap((addresses) => addresses ?? [])
        .find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '',
  };
}
