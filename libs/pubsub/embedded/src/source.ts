import type { Clock } from "@weft/kit";
import type { Delivery, Failed, Outcome } from "@weft/pubsub";
import type { SqliteFile } from "@weft/sqlite";
import type { EventLog } from "./event-log.ts";
import type { Claim, Group } from "./group.ts";
import type { Parked } from "./parked.ts";

/** What a lane takes into memory at once. */
const readAhead = { maxEvents: 64, maxBytes: 1_000_000 };
/** How long an acknowledgement may wait for others to be committed with it, in milliseconds. */
const commitDelayMs = 100;

/** A delivery to be tried. */
export interface Item {
  readonly delivery: Delivery;
  /** What the retry topic says of it. */
  readonly earlier?: Failed;
  /** Of the entry in the retry topic. */
  readonly parkedId?: number;
}

/** An outcome that is written down. */
export type Settled = Extract<Outcome, { kind: "handled" | "retry" | "dead" }>;

/** Where the deliveries of a lane come from, and where their outcomes go. Both throw `LEASE_LOST` once the lane is another's. */
export interface Source {
  /** What can be tried now, in order; not more than a read-ahead. */
  read(): readonly Item[];
  settle(item: Item, outcome: Settled): void;
  /** Makes durable what was settled. */
  flush(): void;
  /** When there will be something, in milliseconds since the epoch: now or earlier if there is already; undefined when not before the file changes. */
  readyAt(): number | undefined;
}

export interface SourceOptions {
  readonly file: SqliteFile;
  readonly log: EventLog;
  readonly parked: Parked;
  readonly group: Group;
  readonly groupName: string;
  readonly claim: Claim;
  readonly clock: Clock;
}

/** A partition, from its committed offset on. Acknowledgements are committed together, failures at once. */
export class PartitionSource implements Source {
  readonly #options: SourceOptions;
  #position: number;
  #committed: number;
  #committedAt: number;

  constructor(options: SourceOptions, committed: number) {
    this.#options = options;
    this.#position = committed;
    this.#committed = committed;
    this.#committedAt = options.clock.monotonic();
  }

  read(): readonly Item[] {
    const { log, claim } = this.#options;
    return log.read(claim.topic, claim.number, this.#position, readAhead).map(({ key, event, offset }) => ({
      delivery: { key, event, topic: claim.topic, partition: claim.number, offset: BigInt(offset), attempt: 1 },
    }));
  }

  settle(item: Item, outcome: Settled): void {
    const position = Number(item.delivery.offset) + 1;
    if (outcome.kind === "handled") {
      this.#position = position;
      if (this.#options.clock.monotonic() - this.#committedAt >= commitDelayMs) this.flush();
      return;
    }
    const { file, group, parked, claim, groupName } = this.#options;
    // One transaction: a crash can neither lose the event nor leave it both here and there.
    file.transaction(() => {
      group.commit(claim, position);
      parked.put(outcome.kind, groupName, outcome.failed);
    });
    this.#position = position;
    this.#noteCommit();
  }

  flush(): void {
    if (this.#position > this.#committed) this.#options.group.commit(this.#options.claim, this.#position);
    this.#noteCommit();
  }

  readyAt(): number | undefined {
    const { log, claim } = this.#options;
    return log.end(claim.topic, claim.number) > this.#position ? 0 : undefined;
  }

  #noteCommit(): void {
    this.#committed = this.#position;
    this.#committedAt = this.#options.clock.monotonic();
  }
}

/** What waits to be retried of one topic, by when it is due. Acknowledgements are committed together, failures at once. */
export class RetrySource implements Source {
  readonly #options: SourceOptions;
  /** Entries that were handled and are still to be removed. */
  #handled: number[] = [];
  #removedAt: number;

  constructor(options: SourceOptions) {
    this.#options = options;
    this.#removedAt = options.clock.monotonic();
  }

  read(): readonly Item[] {
    const { parked, claim, groupName, clock } = this.#options;
    // What was handled must not come again.
    this.flush();
    return parked.due(claim.topic, groupName, clock.now(), readAhead).map(({ id, failed }) => ({
      delivery: failed.delivery,
      earlier: failed,
      parkedId: id,
    }));
  }

  settle(item: Item, outcome: Settled): void {
    const { file, group, parked, claim, clock, groupName } = this.#options;
    const { parkedId = -1 } = item;
    if (outcome.kind === "handled") {
      this.#handled.push(parkedId);
      if (clock.monotonic() - this.#removedAt >= commitDelayMs) this.flush();
      return;
    }
    file.transaction(() => {
      group.commit(claim, 0);
      parked.put(outcome.kind, groupName, outcome.failed, parkedId);
    });
  }

  flush(): void {
    const { file, group, parked, claim, clock } = this.#options;
    if (this.#handled.length > 0) {
      file.transaction(() => {
        group.commit(claim, 0);
        for (const id of this.#handled) parked.remove(id);
      });
    }
    this.#handled = [];
    this.#removedAt = clock.monotonic();
  }

  readyAt(): number | undefined {
    const { parked, claim, groupName } = this.#options;
    return parked.nextDue(claim.topic, groupName);
  }
}
