import { describe, expect, it } from 'vitest';
import { SecretText } from '../../shared/redact.ts';
import type { SecretStore } from '../../shared/secret-store.ts';

const NEW = { description: 'made by a contract test', tags: { 'rekey:environment': 'test' } };

/** What every SecretStore promises; the labelling rules are Secrets Manager's. */
export function secretStoreContract(
  name: string,
  makeStore: () => Promise<SecretStore>,
  uniqueName: () => string,
): void {
  describe(`${name} keeps the contract of a secret store`, () => {
    it('makes a secret without a value, once', async () => {
      const store = await makeStore();
      const secret = uniqueName();
      expect(await store.describe(secret)).toBeUndefined();
      expect(await store.create({ ...NEW, name: secret })).toBe('created');
      expect(await store.create({ ...NEW, name: secret })).toBe('exists');
      expect(await store.describe(secret)).toMatchObject({ name: secret, stagesByVersion: {} });
      expect(await store.read(secret, { stage: 'AWSCURRENT' })).toBeUndefined();
    });

    it('stores a version once: the same value again changes nothing, another value is a conflict', async () => {
      const { store, secret, first } = await withCurrent(makeStore, uniqueName());
      const pending = crypto.randomUUID();
      expect(await store.putPending(secret, pending, new SecretText('two'))).toBe('stored');
      expect(await store.putPending(secret, pending, new SecretText('two'))).toBe('stored');
      expect(await store.putPending(secret, pending, new SecretText('other'))).toBe('conflict');
      expect((await store.read(secret, { versionId: pending }))?.value.reveal()).toBe('two');
      expect((await store.read(secret, { stage: 'AWSCURRENT' }))?.versionId).toBe(first);
      expect((await store.read(secret, { stage: 'AWSPENDING' }))?.versionId).toBe(pending);
    });

    it('lets one of many values under the same token win', async () => {
      const { store, secret } = await withCurrent(makeStore, uniqueName());
      const token = crypto.randomUUID();
      const outcomes = await Promise.all(
        Array.from({ length: 10 }, (_, i) => store.putPending(secret, token, new SecretText(`value ${i}`))),
      );
      expect(outcomes.filter((outcome) => outcome === 'stored')).toHaveLength(1);
    });

    it('moves AWSPENDING to the newest pending version', async () => {
      const { store, secret } = await withCurrent(makeStore, uniqueName());
      const [a, b] = [crypto.randomUUID(), crypto.randomUUID()];
      await store.putPending(secret, a, new SecretText('a'));
      await store.putPending(secret, b, new SecretText('b'));
      const stagesByVersion = (await store.describe(secret))?.stagesByVersion ?? {};
      expect(Object.entries(stagesByVersion).filter(([, stages]) => stages.includes('AWSPENDING'))).toEqual([
        [b, ['AWSPENDING']],
      ]);
    });

    it('promotes by compare-and-swap, and AWSPREVIOUS follows by itself', async () => {
      const { store, secret, first } = await withCurrent(makeStore, uniqueName());
      const next = crypto.randomUUID();
      await store.putPending(secret, next, new SecretText('two'));
      expect(await store.promote(secret, { from: next, to: next })).toBe('lost');
      expect(await store.promote(secret, { from: undefined, to: next })).toBe('lost');
      expect(await store.promote(secret, { from: first, to: next })).toBe('moved');
      expect(await store.promote(secret, { from: first, to: next })).toBe('lost');
      expect((await store.read(secret, { stage: 'AWSCURRENT' }))?.value.reveal()).toBe('two');
      expect((await store.read(secret, { stage: 'AWSPREVIOUS' }))?.versionId).toBe(first);
      expect(await store.promote(secret, { from: next, to: first })).toBe('moved');
      expect((await store.read(secret, { stage: 'AWSCURRENT' }))?.versionId).toBe(first);
    });

    it('takes AWSPENDING off a version, also when it is not there', async () => {
      const { store, secret } = await withCurrent(makeStore, uniqueName());
      const pending = crypto.randomUUID();
      await store.putPending(secret, pending, new SecretText('two'));
      await store.clearPending(secret, pending);
      await store.clearPending(secret, pending);
      expect(await store.read(secret, { stage: 'AWSPENDING' })).toBeUndefined();
    });
  });
}

async function withCurrent(makeStore: () => Promise<SecretStore>, secret: string) {
  const store = await makeStore();
  await store.create({ ...NEW, name: secret });
  const first = crypto.randomUUID();
  await store.putPending(secret, first, new SecretText('one')); // The first version gets AWSCURRENT too.
  await store.clearPending(secret, first);
  return { store, secret, first };
}
