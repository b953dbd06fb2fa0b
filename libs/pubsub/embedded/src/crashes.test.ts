import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock, WeftError } from "@weft/kit";
import type { Delivery, KeyedEvent, SubscribeOptions } from "@weft/pubsub";
import fc from "fast-check";
import { expect, test } from "vitest";
import { EmbeddedPubSub } from "./pubsub.ts";

const keys = ["a", "b", "c"];
const stepMs = 100;
const subscribe = {
  group: "g",
  topics: ["t"],
  sessionTimeoutMs: 1000,
  handleTimeoutMs: 2000,
  failure: { immediateAttempts: 2, retryDelaysMs: [300] },
};

/** How a handler fares with one event: each of its tries in turn, and then well. */
type Fate = "slow" | "refused" | "down" | "stuck";

type Command =
  | { readonly does: "publish"; readonly keys: readonly string[]; readonly fates: readonly Fate[] }
  | { readonly does: "join" }
  | { readonly does: "kill" | "leave" | "stall" | "resume"; readonly member: number }
  | { readonly does: "replay" }
  | { readonly does: "pass"; readonly ms: number };

const member = fc.nat(7);
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant("publish" as const),
      keys: fc.array(fc.constantFrom(...keys), { minLength: 1, maxLength: 6 }),
      fates: fc.array(fc.constantFrom<Fate>("slow", "slow", "refused", "down", "stuck"), { maxLength: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ does: "join" as const }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constantFrom("kill", "leave", "stall", "resume"), member }) },
  { weight: 1, arbitrary: fc.constant({ does: "replay" as const }) },
  { weight: 4, arbitrary: fc.record({ does: fc.constant("pass" as const), ms: fc.constantFrom(100, 400, 1500) }) },
);

type Wrap = (handle: SubscribeOptions["handle"]) => SubscribeOptions["handle"];

/** A process with one member, and a clock that stands still while the process does. */
interface Process {
  readonly pubsub: EmbeddedPubSub;
  readonly clock: ManualClock;
  stalled: boolean;
}

/** A folder, what was published into it, and the processes that share it. */
class World implements AsyncDisposable {
  readonly published: KeyedEvent[] = [];
  readonly handled: string[] = [];
  /** Events that have failed, which may come later than others of their key. */
  readonly failed = new Set<string>();
  readonly #fates = new Map<string, Fate[]>();
  #count = 0;
  readonly #dataDir: string;
  readonly #clock = new ManualClock();
  readonly #publisher: EmbeddedPubSub;
  readonly #wrong: Wrap | undefined;
  #processes: Process[] = [];

  constructor(dataDir: string, wrong: Wrap | undefined) {
    this.#dataDir = dataDir;
    this.#wrong = wrong;
    this.#publisher = new EmbeddedPubSub({ dataDir, clock: this.#clock });
  }

  async run(command: Command): Promise<void> {
    switch (command.does) {
      case "publish": {
        const events = command.keys.map((key) => this.#event(key));
        const [first] = events;
        if (first !== undefined) this.#fates.set(first.event.id, [...command.fates]);
        await this.#publisher.publish("t", events);
        this.published.push(...events);
        return;
      }
      case "join":
        if (this.#processes.length < 4) await this.#join();
        return;
      case "replay":
        // Of a group that nobody joined yet there is nothing to replay.
        await this.#publisher.replay({ topic: "t", group: "g", from: "earliest" }).catch((error: unknown) => {
          expect(error).toMatchObject({ reason: "NOT_FOUND" });
        });
        return;
      case "pass":
        return this.pass(command.ms);
      default: {
        const process = this.#processes[command.member % Math.max(1, this.#processes.length)];
        if (process !== undefined) this.#befall(process, command.does);
      }
    }
  }

  /** Lets time pass for everybody, a little at a time; who was stalled finds it all gone by. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      await this.#clock.advance(stepMs);
      for (const { clock, stalled } of this.#processes) {
        if (!stalled) await clock.advance(Math.max(0, this.#clock.now() - clock.now()));
      }
    }
  }

  /** Everybody is well, and somebody is there: whether all is done in the end. */
  async settle(): Promise<boolean> {
    for (const process of this.#processes) process.stalled = false;
    await this.#join();
    for (let count = 0; count < 400; count += 1) {
      await this.pass(500);
      const lag = await this.#publisher.lag("g");
      const [parked] = await this.#publisher.parked("g");
      if (parked?.waiting === 0 && lag.every(({ committed, end }) => committed === end)) return true;
    }
    return false;
  }

  async deadLetters(): Promise<readonly string[]> {
    const letters = await this.#publisher.deadLetters({ topic: "t", group: "g" });
    return letters.map(({ delivery }) => delivery.event.id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { pubsub } of this.#processes) pubsub.abandon();
    this.#publisher.abandon();
  }

  async #join(): Promise<void> {
    const clock = new ManualClock(this.#clock.now());
    const pubsub = new EmbeddedPubSub({ dataDir: this.#dataDir, clock });
    const right: SubscribeOptions["handle"] = (delivery, signal) => this.#handle(delivery, signal, clock);
    await pubsub.subscribe({ ...subscribe, handle: this.#wrong?.(right) ?? right });
    this.#processes.push({ pubsub, clock, stalled: false });
  }

  #befall(process: Process, what: "kill" | "leave" | "stall" | "resume"): void {
    if (what === "kill") {
      process.pubsub.abandon();
      this.#processes = this.#processes.filter((other) => other !== process);
    } else if (what === "leave") {
      // Ends in its own time, which must pass for that.
      process.stalled = false;
      void process.pubsub[Symbol.asyncDispose]();
    } else process.stalled = what === "stall";
  }

  async #handle({ event: { id } }: Delivery, signal: AbortSignal, clock: ManualClock): Promise<void> {
    const fate = this.#fates.get(id)?.shift();
    if (fate !== undefined && fate !== "slow") this.failed.add(id);
    if (fate === "stuck") return new Promise(() => {});
    if (fate === "slow") await clock.sleep(700, signal);
    if (fate === "refused") throw new WeftError("INVALID_ARGUMENT", "refused");
    if (fate === "down") throw new WeftError("UNAVAILABLE", "down");
    // A turn of the event loop, as everything takes that has an effect elsewhere.
    await new Promise((resolve) => setImmediate(resolve));
    this.handled.push(id);
  }

  #event(key: string): KeyedEvent {
    const id = String((this.#count += 1));
    const attributes = { id, source: "/s", type: "T", time: 0, dataContentType: "text/plain", extensions: {} };
    return { key, event: { ...attributes, data: new Uint8Array(1) } };
  }
}

/** Nothing is lost, and what did not fail is handled for the first time in the order in which it was published. */
function lawsHold(wrong?: Wrap) {
  return fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 30 }), async (commands) => {
    const dataDir = await mkdtemp(join(tmpdir(), "weft-crashes-"));
    try {
      await using world = new World(dataDir, wrong);
      for (const command of commands) await world.run(command);
      expect(await world.settle()).toBe(true);
      const first = new Map(world.handled.toReversed().map((id, index, all) => [id, all.length - index]));
      const dead = new Set(await world.deadLetters());
      const lost = world.published.filter(({ event: { id } }) => !first.has(id) && !dead.has(id));
      expect(lost).toEqual([]);
      for (const key of keys) {
        const order = world.published
          .filter((event) => event.key === key && !world.failed.has(event.event.id))
          .map(({ event: { id } }) => first.get(id) ?? 0);
        expect(order).toEqual(order.toSorted((a, b) => a - b));
      }
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  });
}

test("members that die, leave, stall and fail at any moment lose nothing, and keep the order of keys", async () => {
  await fc.assert(lawsHold(), { numRuns: 25 });
}, 120_000);

test("the same finds an acknowledgement before the handler is done", async () => {
  const early = lawsHold((handle) => async (delivery, signal) => void handle(delivery, signal).catch(() => {}));
  const { failed } = await fc.check(early, { numRuns: 100, endOnFailure: true });
  expect(failed).toBe(true);
}, 120_000);
