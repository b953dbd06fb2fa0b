import fc from "fast-check";
import { expect } from "vitest";
import type { Law } from "@weft/kit/testing";
import type { KeyedEvent } from "@weft/pubsub";
import { type OutboxFixture, versionOf } from "./fixture.ts";
import { type History, play, type Step, steps } from "./history.ts";

/** The first time of each event. */
function firsts(published: readonly KeyedEvent[]): KeyedEvent[] {
  return [...new Map(published.toReversed().map((one) => [one.event.id, one])).values()].toReversed();
}

/** Something that a history must show, whoever is killed and whatever is open. */
interface Check {
  readonly title: string;
  readonly check: (history: History) => void;
}

const checks: readonly Check[] = [
  {
    title: "O1 an event is published if its transaction committed, before the relay is past a later one",
    check: ({ missed }) => expect(missed).toEqual([]),
  },
  {
    title: "O2 an event is published only if its transaction committed, and after that",
    check: ({ early }) => expect(early).toEqual([]),
  },
  {
    title: "O3 events of one key are published in the order of its versions",
    check: ({ published }) => {
      for (const ofKey of Map.groupBy(firsts(published), ({ key }) => key).values()) {
        const versions = ofKey.map(versionOf);
        expect(versions).toEqual(versions.toSorted((a, b) => a - b));
      }
    },
  },
  {
    title: "O4 an event is published again only after a leader was killed that had published it",
    check: ({ published, mayRepeat }) => {
      const ids = published.map(({ event }) => event.id).filter((id) => !mayRepeat.has(id));
      expect(ids).toEqual([...new Set(ids)]);
    },
  },
];

/** Of the relay `replication` alone. */
const commitOrder: Check = {
  title: "O6 events are published in the order of the commits",
  check: ({ published, committed }) =>
    expect(firsts(published).map(({ event }) => event.id)).toEqual(committed.map(({ id }) => id)),
};

function playing(
  parameters: fc.Parameters<[readonly Step[]]>,
  check: (history: History) => void,
): Law<OutboxFixture>["run"] {
  // What fails is not made smaller: it is played on a real server.
  const all = { ...parameters, endOnFailure: true };
  return (fixture) =>
    fc.assert(
      fc.asyncProperty(steps, async (plan) => check(await play(fixture, plan))),
      all,
    );
}

const fence: Law<OutboxFixture> = {
  title: "O5 a former leader that is still publishing is waited for",
  run: async (fixture) => {
    const published: string[] = [];
    const publish = async (_topic: string, events: readonly KeyedEvent[]): Promise<void> => {
      published.push(...events.map(({ event }) => event.id));
    };
    const addOne = async (id: string): Promise<void> => {
      const transaction = await fixture.begin();
      await fixture.change(transaction, "a", id);
      await transaction.commit().execute();
    };
    const isPublishing = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const former = await fixture.lead(async (topic, events) => {
      isPublishing.resolve();
      await gate.promise;
      await publish(topic, events);
    });
    await addOne("first");
    const running = former.relay();
    await isPublishing.promise;
    await former.loseLog();
    await addOne("second");
    const successor = await fixture.lead(publish);
    const early = await successor.relay().catch((error: unknown) => error);
    await successor[Symbol.asyncDispose]();
    gate.resolve();
    await running;
    expect(early).toMatchObject({ reason: "UNAVAILABLE" });
    await using next = await fixture.lead(publish);
    while (!published.includes("second")) await next.relay();
    expect(published).toEqual(["first", "second"]);
  },
};

function checksOf(kind: OutboxFixture["kind"]): readonly Check[] {
  return kind === "table" ? checks : [...checks, commitOrder];
}

/** Histories of one test, which has a time limit. */
const together = 10;

/** What a relay promises, all checked of each history. */
export function lawsOf(kind: OutboxFixture["kind"], runs: number): readonly Law<OutboxFixture>[] {
  const all = checksOf(kind);
  const title = `${all.map((one) => one.title.slice(0, 2)).join(", ")} of histories with open transactions and kills`;
  const run = playing({ numRuns: together }, (history) => all.forEach((one) => one.check(history)));
  const tests = Array.from({ length: Math.ceil(runs / together) }, (_, n) => ({ title: `${title} (${n + 1})`, run }));
  return [...tests, fence];
}

/** The same one by one, for mutants: always the same histories, as many as it takes. */
export function singleLawsOf(kind: OutboxFixture["kind"]): readonly Law<OutboxFixture>[] {
  const singles = checksOf(kind).map(({ title, check }) => ({ title, run: playing({ numRuns: 100, seed: 1 }, check) }));
  return [...singles, fence];
}
