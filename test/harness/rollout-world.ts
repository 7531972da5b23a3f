import type { SecretDeclaration } from '../../shared/config/declaration.ts';
import { acknowledge } from '../../shared/rollout/acknowledge.ts';
import type { RetirementInput, RotationInput } from '../../shared/rotation/payloads.ts';
import { retire } from '../../shared/rotation/retire.ts';
import { InMemorySecretStore } from '../fakes/in-memory-secret-store.ts';
import { RotationWorld, SECRET } from './rotation-world.ts';
import { type Manner, SimulatedConsumer } from './simulated-consumer.ts';
import { fault } from '../infra/support/interpreter.ts';
import { runSecretRotation } from './workflow.ts';

class WatchedSecretStore extends InMemorySecretStore {
  /** Called before every move of AWSCURRENT. */
  onPromote: () => void | Promise<void> = () => undefined;

  override async promote(...move: Parameters<InMemorySecretStore['promote']>) {
    await this.onPromote();
    return super.promote(...move);
  }
}

/** One secret, adopted and rotated once, with consumers that follow what they are told. */
export class RolloutWorld extends RotationWorld {
  override readonly secretStore = new WatchedSecretStore();
  readonly followers: SimulatedConsumer[] = [];
  readonly batchesSeen: string[][] = [];

  static async withConsumers(
    manners: readonly Manner[],
    changes: Partial<SecretDeclaration> = {},
  ): Promise<RolloutWorld> {
    const world = new RolloutWorld();
    await world.adopt(changes);
    const { retirement } = await world.rotate(await world.due());
    world.clock.advance(2 * 86_400);
    if (retirement !== undefined) await retire(retirement, world);
    for (const [index, manner] of manners.entries()) await world.join(`consumer-${index}`, manner);
    return world;
  }

  async join(consumerId: string, manner: Manner = 'acknowledges', boundSeconds = 3600): Promise<SimulatedConsumer> {
    const follower = new SimulatedConsumer({
      consumerId,
      secretId: SECRET,
      holds: (await this.current()).versionId,
      table: this.rollouts,
      startedAt: this.clock.now(),
      manner,
      boundSeconds,
    });
    this.followers.push(await follower.start());
    return follower;
  }

  /** Everybody looks once, and the table's stream brings their answers. */
  async everybodyLooks(): Promise<readonly string[]> {
    const { versionId } = await this.current();
    const before = this.rollouts.given.length;
    for (const follower of this.followers) await follower.look(versionId);
    const woken: string[] = [];
    const taskTokens = { succeed: async (token: string) => void woken.push(token) };
    await acknowledge(this.rollouts.given.slice(before), { rollouts: this.rollouts, taskTokens });
    this.batchesSeen.push(this.rollouts.given.slice(before).map(({ consumerId }) => consumerId));
    return woken;
  }

  /** The deployed workflow, whose tasks with a token are woken by answers, or time out when nobody is left to answer. */
  async rotateWithWorkflow(
    prepare: (input: RotationInput) => void = () => undefined,
  ): Promise<Awaited<ReturnType<typeof runSecretRotation>>> {
    const input = await this.due();
    prepare(input);
    const run = await runSecretRotation(input, {
      invocation: () => ({ ...this.ports(), taskTokens: { succeed: async (token) => void this.#woken.add(token) } }),
      waitForToken: async (token) => {
        if (!this.#woken.has(token)) for (const one of await this.everybodyLooks()) this.#woken.add(one);
        if (!this.#woken.has(token)) throw fault('States.Timeout');
      },
    });
    return run;
  }

  retireNow(retirement: RetirementInput) {
    return retire(retirement, this);
  }

  /** The ports alone, as one invocation gets them. */
  ports() {
    const { clock, registry, secretStore, rollouts, auditTrail, alerts, rotatorFor } = this;
    return { clock, registry, secretStore, rollouts, auditTrail, alerts, rotatorFor };
  }

  readonly #woken = new Set<string>();
}
