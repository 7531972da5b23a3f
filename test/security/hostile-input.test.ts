import { paginateListFunctions } from '@aws-sdk/client-lambda';
import { randomBytes, randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';

import { eventually } from '../harness/deployed/eventually.ts';
import { type Invoked, invoke, lambda } from '../harness/deployed/functions.ts';
import { search } from '../harness/deployed/search.ts';
import { ENVIRONMENT } from '../harness/deployed/system.ts';
import { TRACES } from '../harness/deployed/traces.ts';

/** Looks like a provider's key, opens nothing. */
const FAKE = `sk-${randomBytes(24).toString('base64url')}`;
const WANTED = [{ name: 'the secret-looking text', value: FAKE }];

const ids = {
  environment: ENVIRONMENT,
  secretId: 'test/nobody_knows',
  rotationId: randomUUID(),
  reason: 'manual',
  requestedBy: 'a test',
};
const requested = { id: randomUUID(), 'detail-type': 'Rotation Requested', source: 'rekey' };
const failed = { executionArn: 'arn', stateMachineArn: 'arn', status: 'FAILED' };
const resource = { StackId: 'stack', RequestId: 'request', LogicalResourceId: 'resource' };

/** Where a mistake of a caller could put a secret into an event. */
const EVENTS: Readonly<Record<string, unknown>> = {
  'the whole event': FAKE,
  'a list': [FAKE, { password: FAKE }],
  'a field that no step has': { password: FAKE },
  'a field beside the right ones': { ...ids, password: FAKE },
  "a field's name": { ...ids, [FAKE]: 'x' },
  'the rotation id': { ...ids, rotationId: FAKE },
  'the reason': { ...ids, reason: FAKE },
  'a list for the secret id': { ...ids, secretId: [FAKE] },
  'a far too long secret id': { ...ids, secretId: `${FAKE} `.repeat(100) },
  'the time of a retirement': { ...ids, versionId: 'x', retireAt: FAKE },
  'the version of a retirement with no time': { ...ids, versionId: FAKE },
  'the caught error': { ...ids, fault: { Error: { Cause: FAKE } } },
  'the cause of a caught error': { ...ids, fault: { Error: 'States.TaskFailed', Cause: FAKE } },
  'the reason of a request': { ...requested, detail: { secret_id: 'x', reason: FAKE, requested_by: 'x' } },
  'a field of a request': { ...requested, detail: { secret_id: 'x', requested_by: 'x', password: FAKE } },
  'the input of a failed execution, no JSON': { detail: { ...failed, input: FAKE } },
  'the input of a failed execution': { detail: { ...failed, input: JSON.stringify({ ...ids, password: FAKE }) } },
  'a resource property': { RequestType: FAKE, ...resource, ResponseURL: 'https://127.0.0.1:9/' },
  "a custom resource's presigned URL": {
    RequestType: 'Delete',
    ...resource,
    ResponseURL: `https://127.0.0.1:9/?X-Amz-Signature=${FAKE}`,
  },
};

describe('a function that is given a secret where none belongs repeats it neither in its error nor in a log:', () => {
  let functions: readonly string[] = [];
  const answers = new Map<string, readonly Invoked[]>();
  let faultsBefore = 0;

  beforeAll(async () => {
    const all: string[] = [];
    for await (const { Functions } of paginateListFunctions({ client: lambda }, {})) {
      all.push(...(Functions ?? []).map(({ FunctionName = '' }) => FunctionName));
    }
    functions = all.filter((name) => name.startsWith('Rekey-'));
    faultsBefore = await loggedFaults();
    for (const [where, event] of Object.entries(EVENTS)) {
      answers.set(where, await Promise.all(functions.map((name) => invoke(name, event))));
    }
  });

  it('every function of the deployment is asked', () => {
    expect(functions.length).toBeGreaterThanOrEqual(11);
  });

  it.each(Object.keys(EVENTS))('%s', async (where) => {
    const texts = (answers.get(where) ?? []).map(({ text }, index) => ({ place: functions[index] ?? '', text }));
    expect(texts).toHaveLength(functions.length);
    expect((await search(texts, WANTED)).findings).toEqual([]);
    expect((answers.get(where) ?? []).some(({ functionError }) => functionError !== undefined)).toBe(true);
  });

  it('in the logs', async () => {
    const refused = [...answers.values()].flat().filter(({ functionError }) => functionError !== undefined);
    await eventually('the log of every refusal', async () =>
      (await loggedFaults()) >= faultsBefore + refused.length ? true : undefined,
    );
    expect((await search(TRACES.logs(), WANTED)).findings).toEqual([]);
  });

  it('says which field is wrong, by the name of the error that the workflow knows', () => {
    const texts = (answers.get('the reason') ?? []).map(({ text }) => text);
    expect(texts.filter((text) => text.includes('Misconfigured') && text.includes('reason')).length).toBeGreaterThan(4);
  });
});

async function loggedFaults(): Promise<number> {
  let count = 0;
  for await (const { text } of TRACES.logs()) count += text.split('step failed').length - 1;
  return count;
}
