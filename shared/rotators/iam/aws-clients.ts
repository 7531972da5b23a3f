import { IAMClient, type IAMClientConfig } from '@aws-sdk/client-iam';
import { STSClient, type STSClientConfig } from '@aws-sdk/client-sts';

/** Makes the SDK's clients. Where AWS is, and who Rekey itself is there, they take from the environment. */
export interface AwsClients {
  iam(config: IAMClientConfig): IAMClient;
  sts(config: STSClientConfig): STSClient;
}

export const AWS_CLIENTS: AwsClients = {
  iam: (config) => new IAMClient(config),
  sts: (config) => new STSClient(config),
};

/** For calls that may run twice: two attempts, 20 s in all, a third of what a phase's function has. */
export const REPEATABLE = {
  maxAttempts: 2,
  requestHandler: { connectionTimeout: 5_000, requestTimeout: 10_000, throwOnRequestTimeout: true },
} as const;

/** For a call that makes something: the SDK's own second attempt would make a second one. */
export const ONCE = { ...REPEATABLE, maxAttempts: 1 } as const;
