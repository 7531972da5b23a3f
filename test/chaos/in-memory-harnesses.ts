import { SecretText } from '../../shared/redact.ts';
import { InMemoryIssuer } from '../fakes/in-memory-issuer.ts';
import { InMemoryTarget } from '../fakes/in-memory-target.ts';
import type { TargetHarness } from '../rotators/target-harness.ts';

/** A chosen rotator without a server, for tests of the matrix itself: milliseconds a cell. */
export function inMemoryChosen(): TargetHarness {
  const targets = new Map<string, InMemoryTarget>();
  let latest = new InMemoryTarget();
  return {
    type: 'postgresql',
    adopt: async (name) => {
      latest = new InMemoryTarget();
      targets.set(name, latest);
      return { name, declared: {}, incumbent: new SecretText(latest.seed('app')), admin: new SecretText('{}') };
    },
    rotator: () => latest,
    state: async ({ name }) => JSON.stringify([...(targets.get(name)?.accounts ?? [])]),
    unaccounted: async ({ name }, accounted) => {
      const values = accounted.flatMap(({ value }) => (value === undefined ? [] : [value.reveal()]));
      const target = targets.get(name);
      const known = values.map((value) => (JSON.parse(value) as { username: string }).username);
      return target?.loginNames().filter((login) => !known.includes(login)) ?? [];
    },
    use: async (value) => {
      if (!latest.opens(value.reveal())) throw new Error('refused');
    },
    stop: async () => undefined,
  };
}

/** An issued one, likewise. */
export function inMemoryIssued(most = 2): TargetHarness {
  const keys: ConstructorParameters<typeof InMemoryIssuer>[0] = new Map();
  let latest = new InMemoryIssuer(keys, '', most);
  return {
    type: 'iam',
    adopt: async (name) => {
      latest = new InMemoryIssuer(keys, name, most);
      return { name, declared: {}, incumbent: new SecretText(latest.seed()), admin: undefined };
    },
    rotator: () => latest,
    state: async () => JSON.stringify(latest.ids()),
    unaccounted: async (_, accounted) => {
      const known = accounted.flatMap(({ value }) => (value === undefined ? [] : [latest.idOf(value.reveal())]));
      return latest.ids().filter((id) => !known.includes(id));
    },
    use: async (value) => latest.use(value.reveal()),
    stop: async () => undefined,
  };
}
