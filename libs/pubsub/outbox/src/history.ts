import fc from "fast-check";
import type { ControlledTransaction } from "kysely";
import type { KeyedEvent } from "@weft/pubsub";
import type { Leader, OutboxFixture } from "./fixture.ts";

/** What a writer or the relay does next. Writers have a transaction each, which begins with their first change. */
export type Step =
  | { readonly kind: "change"; readonly writer: number; readonly key: number; readonly commits: boolean }
  | { readonly kind: "commit" | "rollback"; readonly writer: number }
  /** A batch. Before it, an event of its own is committed, so that there is one. */
  | { readonly kind: "relay" }
  /** A batch whose leader is killed when it publishes: before the events are there, or after. */
  | { readonly kind: "crash"; readonly isPublished: boolean }
  /** The leader is killed while it does nothing; the next one knows nothing. */
  | { readonly kind: "takeOver" }
  /** All that is committed. */
  | { readonly kind: "catchUp" };

const writer = fc.nat(3);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("change"), writer, key: fc.nat(2), commits: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("commit"), writer }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("rollback"), writer }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("relay") }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("crash"), isPublished: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("takeOver", "catchUp") }) },
);

export const steps: fc.Arbitrary<readonly Step[]> = fc.array(step, { minLength: 10, maxLength: 40, size: "max" });

interface Change {
  readonly id: string;
  readonly key: string;
}

/** What happened. */
export interface History {
  /** Of the committed transactions, in the order of their commits. */
  readonly committed: readonly Change[];
  readonly published: readonly KeyedEvent[];
  /** Published by a batch that failed after that. */
  readonly mayRepeat: ReadonlySet<string>;
  /** Committed, and not published when the relay had published all of a later commit. */
  readonly missed: readonly string[];
  /** Published, and not committed at that time. */
  readonly early: readonly string[];
}

/** Plays the steps on a database, to the end of every transaction and of the relay's work. */
export async function play(fixture: OutboxFixture, plan: readonly Step[]): Promise<History> {
  const player = new Player(fixture);
  try {
    for (const one of plan) await player.take(one);
    await player.finish();
    return player;
  } finally {
    await player[Symbol.asyncDispose]();
  }
}

interface Writer {
  readonly transaction: ControlledTransaction<unknown>;
  readonly changes: Change[];
}

class Player implements History, AsyncDisposable {
  readonly committed: Change[] = [];
  readonly published: KeyedEvent[] = [];
  readonly mayRepeat = new Set<string>();
  readonly missed: string[] = [];
  readonly early: string[] = [];
  readonly #fixture: OutboxFixture;
  readonly #writers = new Map<number, Writer>();
  #leader: Leader | undefined;
  #crash: Extract<Step, { kind: "crash" }> | undefined;

  constructor(fixture: OutboxFixture) {
    this.#fixture = fixture;
  }

  async take(next: Step): Promise<void> {
    switch (next.kind) {
      case "change":
        await this.#change(next.writer, `key-${next.key}`);
        return next.commits ? this.#end(next.writer, "commit") : undefined;
      case "commit":
      case "rollback":
        return this.#end(next.writer, next.kind);
      case "relay":
        await this.#tick();
        return this.#relay();
      case "crash":
        await this.#tick();
        this.#crash = next;
        await this.#relay();
        this.#crash = undefined;
        return;
      case "takeOver":
        return this.#kill();
      case "catchUp":
        return this.#catchUp();
    }
  }

  async finish(): Promise<void> {
    for (const open of this.#writers.keys()) await this.#end(open, "commit");
    await this.#catchUp();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kill();
    for (const { transaction } of this.#writers.values()) await transaction.rollback().execute();
  }

  async #change(number: number, key: string): Promise<void> {
    const writer = this.#writers.get(number) ?? { transaction: await this.#fixture.begin(), changes: [] };
    this.#writers.set(number, writer);
    const isLocked = [...this.#writers.values()].some(
      (other) => other !== writer && other.changes.some((change) => change.key === key),
    );
    if (isLocked) return;
    const id = this.#newId();
    await this.#fixture.change(writer.transaction, key, id);
    writer.changes.push({ id, key });
  }

  async #end(number: number, how: "commit" | "rollback"): Promise<void> {
    const writer = this.#writers.get(number);
    if (writer === undefined) return;
    this.#writers.delete(number);
    await writer.transaction[how]().execute();
    if (how === "commit") this.committed.push(...writer.changes);
  }

  /** A change that is committed at once. Answers the event's id. */
  async #tick(): Promise<string> {
    const id = this.#newId();
    const transaction = await this.#fixture.begin();
    await this.#fixture.change(transaction, `tick-${id}`, id);
    await transaction.commit().execute();
    this.committed.push({ id, key: `tick-${id}` });
    return id;
  }

  /** A failure ends the leadership. */
  async #relay(): Promise<void> {
    this.#leader ??= await this.#fixture.lead((_topic, events) => this.#publish(events));
    try {
      await this.#leader.relay();
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      await this.#kill();
    }
  }

  async #kill(): Promise<void> {
    await this.#leader?.[Symbol.asyncDispose]();
    this.#leader = undefined;
  }

  async #catchUp(): Promise<void> {
    const last = await this.#tick();
    // A batch has one event at least, or of those that were relayed already a few: more turns are a relay that stands still.
    for (let turn = 0; turn < 20 + this.committed.length && !this.#isPublished(last); turn += 1) await this.#relay();
    this.missed.push(...this.committed.map(({ id }) => id).filter((id) => !this.#isPublished(id)));
  }

  async #publish(events: readonly KeyedEvent[]): Promise<void> {
    if (this.#crash?.isPublished === false) throw new Killed();
    for (const { event } of events) {
      if (!this.committed.some(({ id }) => id === event.id)) this.early.push(event.id);
      if (this.#crash !== undefined) this.mayRepeat.add(event.id);
    }
    this.published.push(...events);
    if (this.#crash !== undefined) throw new Killed();
  }

  #isPublished(id: string): boolean {
    return this.published.some(({ event }) => event.id === id);
  }

  #newId(): string {
    return `event-${(ids += 1)}`;
  }
}

let ids = 0;

class Killed extends Error {}
