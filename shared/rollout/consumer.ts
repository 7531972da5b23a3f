/** A process that holds a secret, as it says of itself. One item for each secret it holds; never a value. */
export interface Consumer {
  readonly secretId: string;
  /** Unique for one run of one process, e.g. a UUID. */
  readonly consumerId: string;
  /** The declared identity that it is an instance of. */
  readonly agent: string;
  /** For people: host name and process id. */
  readonly host: string;
  readonly startedAt: Date;
  /** Its last sign of life, in AWS's time. */
  readonly seenAt: Date;
  /** It stops using what it holds when its signs of life have not got through for this long. */
  readonly boundSeconds: number;
  /** It takes new versions only when it starts: nobody waits for its answer, retirement waits for its end. */
  readonly startsOnly?: true;
  /** The versions that it may be using; `ANY_VERSION` while it does not know yet which it will read. */
  readonly holds: readonly string[];
  /** The notice that it has acted on; 0: none. */
  readonly sequence: number;
}

/** What a consumer says; the link adds when. */
export type ConsumerWord = Omit<Consumer, 'seenAt'>;

/** In `Consumer.holds`: whatever carries AWSCURRENT while it starts. */
export const ANY_VERSION = '*';

/** A consumer's word on one rollout. */
export interface Answer {
  readonly secretId: string;
  readonly rotationId: string;
  readonly consumerId: string;
  readonly agent: string;
  readonly host: string;
  readonly versionId: string;
  /**
   * `acknowledged`: proved and in use. `refused`: its proof failed, it stays with what it had. `returned`: it has left
   * the candidate.
   */
  readonly outcome: 'acknowledged' | 'refused' | 'returned';
  /** Why it refused, in its own words: one line of at most 200 characters. Never a value. */
  readonly said: string;
  readonly answeredAt: Date;
}

/** What a consumer did with a secret since its last report: for the audit trail. Never a value. */
export interface UseReport {
  readonly secretId: string;
  readonly consumerId: string;
  readonly agent: string;
  readonly host: string;
  readonly ipAddress: string;
  /** 1, 2, 3 … for each consumer and secret: a gap is a report that was lost. */
  readonly number: number;
  readonly from: Date;
  readonly to: Date;
  readonly uses: readonly Use[];
  /** Uses that could not be kept, because too many kinds came at once. */
  readonly dropped: number;
}

export interface Use {
  /** `fetched`, `accessed`, `refused_by_target`. */
  readonly action: string;
  /** What for: the name of the agent's action, or `startup`, `rollout`, `reload`. */
  readonly reason: string;
  readonly versionId: string;
  readonly count: number;
}
