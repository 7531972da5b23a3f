import { Throttled } from '../errors.ts';
import type { RolloutNotice } from './notice.ts';
import type { RolloutPlan } from './plan.ts';
import type { RolloutStore } from './rollout-store.ts';

const ATTEMPTS = 8;

type Body = Omit<RolloutNotice, 'secretId' | 'sequence'>;

/**
 * Writes the next notice, again on a fresh one when another writer came first. `change` answers `undefined` where there
 * is nothing to say; it has no effects. Answers the notice that stands then.
 */
export async function changeNotice(
  store: Pick<RolloutStore, 'notice' | 'post'>,
  secretId: string,
  change: (standing: RolloutNotice | undefined) => Body | undefined,
): Promise<RolloutNotice | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const standing = await store.notice(secretId);
    const body = change(standing);
    if (body === undefined) return standing;
    const next = { ...body, secretId, sequence: (standing?.sequence ?? 0) + 1 };
    if ((await store.post(next)) === 'posted') return next;
  }
  throw new Throttled(`The rollout notice of "${secretId}" is being changed by too many writers at once.`);
}

/** Everybody takes AWSCURRENT, which is `versionId`. Twice is harmless: what stands already is not said again. */
export async function settle(
  store: Pick<RolloutStore, 'notice' | 'post'>,
  secretId: string,
  { rotationId, versionId }: Pick<RolloutNotice, 'rotationId' | 'versionId'>,
): Promise<void> {
  await changeNotice(store, secretId, (standing) =>
    standing?.state === 'settled' && standing.versionId === versionId
      ? undefined
      : handingOutNothing('settled', { rotationId, versionId }),
  );
}

/** The same once more for one request: everybody takes AWSCURRENT again. Answers the notice's sequence. */
export async function settleAgain(
  store: Pick<RolloutStore, 'notice' | 'post'>,
  secretId: string,
  { rotationId, versionId }: Pick<RolloutNotice, 'rotationId' | 'versionId'>,
): Promise<number> {
  const notice = await changeNotice(store, secretId, (standing) =>
    standing?.rotationId === rotationId ? undefined : handingOutNothing('settled', { rotationId, versionId }),
  );
  return notice?.sequence ?? 0;
}

/**
 * Whoever has the candidate of `rotationId` goes back to AWSCURRENT. Said also when its rollout (`plan`) has not begun:
 * then a release that comes too late finds that it is over. Nothing where nobody was to be told.
 */
export async function callBack(
  store: Pick<RolloutStore, 'notice' | 'post'>,
  secretId: string,
  { rotationId, plan }: { readonly rotationId: string; readonly plan: RolloutPlan | undefined },
): Promise<void> {
  await changeNotice(store, secretId, (standing) => {
    const isAhead = plan !== undefined && plan.bounds.length > 0 && (standing?.sequence ?? 0) === plan.sequence;
    const isOurs = standing?.rotationId === rotationId && standing.state !== 'returning';
    if (!isOurs && !isAhead) return undefined;
    return handingOutNothing('returning', { rotationId, versionId: rotationId });
  });
}

/** Nobody is called back any more: the candidate of `rotationId` has ended. Everybody has `versionId`, AWSCURRENT. */
export async function endCallBack(
  store: Pick<RolloutStore, 'notice' | 'post'>,
  secretId: string,
  { rotationId, versionId }: Pick<RolloutNotice, 'rotationId' | 'versionId'>,
): Promise<void> {
  await changeNotice(store, secretId, (standing) =>
    standing?.state === 'returning' && standing.rotationId === rotationId
      ? handingOutNothing('settled', { rotationId, versionId })
      : undefined,
  );
}

function handingOutNothing(
  state: 'settled' | 'returning',
  { rotationId, versionId }: Pick<RolloutNotice, 'rotationId' | 'versionId'>,
): Body {
  return { state, rotationId, versionId, bounds: [], released: 0 };
}
