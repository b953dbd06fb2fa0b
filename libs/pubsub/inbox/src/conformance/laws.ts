import assert from "node:assert/strict";
import { describeLaws, type Law } from "@weft/kit/testing";
import { isWeftError, newUuid } from "@weft/kit";
import fc from "fast-check";
import type { ConsumersFixture, TestConsumer } from "./fixture.ts";
import { histories, type History, type HistoryOptions, type Step, type ToldEvent } from "./history.ts";
import { Life } from "./life.ts";

export interface ConsumerLawsOptions {
  /** Histories of each law. Default 20. */
  readonly runs?: number;
  /** Default: another one each time; a failure prints it. */
  readonly seed?: number;
  /** Looks for the shortest history that breaks a law. Default true. */
  readonly shrink?: boolean;
}

/** Of a delivery whose failure may pass. */
const maxTries = 20;

const families: readonly (HistoryOptions & { readonly title: string })[] = [
  {
    title: "I1 duplicates, replays and redrives change nothing",
    ordered: true,
    deaths: false,
    kinds: ["deliver", "replay"],
  },
  {
    title: "I2 a process that dies at any point loses nothing and doubles nothing",
    ordered: true,
    deaths: true,
    kinds: ["deliver"],
  },
  {
    title: "I3 two members that handle events at the same time are as good as one",
    ordered: false,
    deaths: false,
    kinds: ["together"],
  },
  {
    title: "I4 the order of deliveries does not matter, and what was deleted stays deleted",
    ordered: false,
    deaths: false,
    kinds: ["deliver"],
  },
  {
    title: "I5 an event that comes again is known for as long as it is promised",
    ordered: false,
    deaths: false,
    kinds: ["deliver", "pass", "replay"],
  },
  {
    title: "I6 any history ends as if each event had come once, in order",
    ordered: false,
    deaths: true,
    kinds: ["deliver", "together", "replay", "pass"],
  },
];

/**
 * What every consumer of events holds, whether by an inbox or by versions: each law is a family of histories of
 * deliveries, after which all is as `expected` says.
 */
export function consumerLaws({
  runs = 20,
  seed,
  shrink = true,
}: ConsumerLawsOptions = {}): readonly Law<ConsumersFixture>[] {
  return families.map(({ title, ...options }) => ({
    title,
    run: async (fixture) => {
      const property = fc.asyncProperty(histories(options), (history) => play(fixture, history, options));
      await fc.assert(property, { numRuns: runs, endOnFailure: !shrink, ...(seed === undefined ? {} : { seed }) });
    },
  }));
}

/** Runs the laws of consumers against one, each on a fixture of its own. */
export function describeConsumer(
  name: string,
  open: () => Promise<ConsumersFixture>,
  options?: ConsumerLawsOptions,
): void {
  describeLaws(`consumer laws: ${name}`, consumerLaws(options), open);
}

async function play(fixture: ConsumersFixture, history: History, { ordered }: HistoryOptions): Promise<void> {
  const run = newUuid();
  const events = history.events.map((event) => ({ ...event, id: `${event.id}-${run}`, key: `${event.key}-${run}` }));
  const groups = fixture.consumers.map((consumer) => new Group(consumer, events, ordered));
  let leftMs = (fixture.rememberMs ?? 100 * 365 * 24 * 3_600_000) - 60_000;
  for (const step of history.steps) {
    if (step.kind !== "pass") await groups[step.consumer % groups.length]?.play(step);
    else {
      const ms = Math.floor(leftMs * step.share);
      leftMs -= ms;
      await fixture.pass(ms);
    }
  }
  for (const group of groups) {
    await group.finish(history.order);
    assert.deepEqual(await group.consumer.outcome(events), group.consumer.expected(events));
  }
}

/** A group, and how far it has come. */
class Group {
  readonly consumer: TestConsumer;
  readonly #events: readonly ToldEvent[];
  readonly #ordered: boolean;
  readonly #acknowledged = new Set<ToldEvent>();

  constructor(consumer: TestConsumer, events: readonly ToldEvent[], ordered: boolean) {
    this.consumer = consumer;
    this.#events = events;
    this.#ordered = ordered;
  }

  async play(step: Exclude<Step, { kind: "pass" }>): Promise<void> {
    if (step.kind === "replay") {
      const reach = this.#reach();
      for (const event of this.#events.slice(step.from % reach, reach))
        await this.#take(event, new Life({ member: 0 }));
      return;
    }
    const reachable = this.#events.slice(0, this.#reach());
    const [{ event: number }] = step.tries;
    const chosen = reachable[number % reachable.length];
    const ofOne = reachable.filter(({ key }) => key === chosen?.key);
    const first = step.kind === "deliver" ? step.member : 0;
    const taking = step.tries.map(({ event: other, death, pauses }, at) => {
      const event = at === 0 ? chosen : ofOne[other % ofOne.length];
      const life = new Life({ member: first === at ? 0 : 1, pauses, ...(death === undefined ? {} : { death }) });
      return event === undefined ? Promise.resolve() : this.#take(event, life);
    });
    await Promise.all(taking);
  }

  /** Delivers what has not been acknowledged, as a log does in the end. */
  async finish(order: readonly number[]): Promise<void> {
    const left = [...this.#events.entries()].filter(([, event]) => !this.#acknowledged.has(event));
    if (!this.#ordered) left.sort(([a], [b]) => (order[a] ?? 0) - (order[b] ?? 0));
    for (const [, event] of left) await this.#take(event, new Life({ member: 0 }));
    assert.equal(this.#acknowledged.size, this.#events.length);
  }

  /** How many of the events may come next: in order, those that have come and the one after them. */
  #reach(): number {
    if (!this.#ordered) return this.#events.length;
    const next = this.#events.findIndex((event) => !this.#acknowledged.has(event));
    return next === -1 ? this.#events.length : next + 1;
  }

  /** Until it is acknowledged, as long as what fails may pass; or until the process dies. */
  async #take(event: ToldEvent, life: Life): Promise<void> {
    for (let count = 1; ; count += 1) {
      try {
        await this.consumer.take(event, life);
        this.#acknowledged.add(event);
        return;
      } catch (error) {
        if (life.isDead) return;
        if (!isWeftError(error) || !error.retryable || count === maxTries) throw error;
      }
    }
  }
}
