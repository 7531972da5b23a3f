import type { Answer } from '../shared/rollout/consumer.ts';
import type { RolloutNotice } from '../shared/rollout/notice.ts';
import { isReleased } from '../shared/rollout/position.ts';

/**
 * What a consumer does about a notice:
 *
 *     nothing       it is not meant, or has done it
 *     acknowledge   it has the version, proved, and has not said so
 *     take          it fetches `versionId`, the candidate
 *     go_back       it leaves `versionId` for AWSCURRENT
 *     settle        it takes AWSCURRENT, which is `versionId`
 *     prove_again   it has the version, and is asked to prove it (again)
 */
export type Step = 'nothing' | 'acknowledge' | 'take' | 'go_back' | 'settle' | 'prove_again';

/** Pure. `versionId` is what this consumer uses; `answered`, its last word on any rollout. */
export function decide(
  notice: RolloutNotice,
  {
    consumerId,
    versionId,
    answered,
  }: {
    readonly consumerId: string;
    readonly versionId: string;
    readonly answered: Pick<Answer, 'rotationId' | 'outcome'> | undefined;
  },
): Step {
  const has = versionId === notice.versionId;
  const said = answered?.rotationId === notice.rotationId ? answered.outcome : undefined;
  switch (notice.state) {
    case 'rolling':
      if (!isReleased(notice, consumerId)) return 'nothing';
      if (has && said === 'refused') return 'prove_again';
      if (has) return said === 'acknowledged' ? 'nothing' : 'acknowledge';
      return said === undefined ? 'take' : 'nothing';
    case 'returning':
      return has ? 'go_back' : 'nothing';
    case 'settled':
      if (!has) return 'settle';
      return said === 'acknowledged' ? 'nothing' : 'prove_again';
  }
}
