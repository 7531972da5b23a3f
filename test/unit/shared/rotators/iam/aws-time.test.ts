import { beforeEach, describe, expect, it } from 'vitest';
import { AwsTime } from '../../../../../shared/rotators/iam/aws-time.ts';
import { ManualClock } from '../../../../fakes/manual-clock.ts';

describe("IAM's time", () => {
  let clock: ManualClock;
  let time: AwsTime;
  beforeEach(() => {
    clock = new ManualClock('2026-03-01T12:00:00.400Z');
    time = new AwsTime(clock);
  });
  const tells = (date: string) => time.note({ headers: { date: new Date(date).toUTCString() } });
  const instant = new Date('2026-03-01T11:59:00.000Z');
  const secondsLater = () => ((time.here(instant) ?? Number.NaN) - instant.getTime()) / 1000;

  it('is not known before an answer has told it', () => {
    expect(time.here(instant)).toBeUndefined();
    time.note(undefined);
    time.note({ headers: {} });
    time.note({ headers: { date: 'today' } });
    expect(time.here(instant)).toBeUndefined();
  });

  it("is this machine's where whole seconds are all the difference", () => {
    tells('2026-03-01T12:00:00Z');
    expect(secondsLater()).toBe(0);
  });

  it('may be behind or ahead', () => {
    tells('2026-03-01T11:58:00Z');
    expect(secondsLater()).toBe(119.4);
    time = new AwsTime(clock);
    tells('2026-03-01T12:02:00Z');
    expect(secondsLater()).toBe(-119.6);
  });

  it('is as the fastest answer told it', () => {
    tells('2026-03-01T12:00:00Z');
    clock.advance(10);
    tells('2026-03-01T12:00:02Z');
    expect(secondsLater()).toBe(0);
  });
});
