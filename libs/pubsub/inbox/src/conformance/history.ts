import fc from "fast-check";
import type { Death } from "./life.ts";

/** What a consumer is told: an event of an aggregate's history. */
export interface ToldEvent {
  readonly source: string;
  /** Another source may use the same id for another event. */
  readonly id: string;
  /** The aggregate's. */
  readonly key: string;
  /** The first of an aggregate is `created`, and nothing follows `deleted`. */
  readonly kind: "created" | "updated" | "deleted";
  /** Of the aggregate: 1, 2, 3 … */
  readonly version: number;
}

/** One delivery to one of the consumers. Numbers choose among what there is then. */
interface Try {
  readonly event: number;
  readonly death: Death | undefined;
  readonly pauses: readonly number[];
}

export type Step =
  | { readonly kind: "deliver"; readonly consumer: number; readonly member: 0 | 1; readonly tries: readonly [Try] }
  /** Both members at the same time, with an event and one of the same aggregate: each believes that the partition is its own. */
  | { readonly kind: "together"; readonly consumer: number; readonly tries: readonly [Try, Try] }
  /** The log from some event on, in order. */
  | { readonly kind: "replay"; readonly consumer: number; readonly from: number }
  /** A part of the time that is left until consumers may forget. */
  | { readonly kind: "pass"; readonly share: number };

/** Which histories. */
export interface HistoryOptions {
  /** Events come for the first time in the order in which they happened. */
  readonly ordered: boolean;
  readonly kinds: readonly Step["kind"][];
  readonly deaths: boolean;
}

export interface History {
  readonly events: readonly ToldEvent[];
  readonly steps: readonly Step[];
  /** Sorts what is left to be delivered at the end, for unordered histories. */
  readonly order: readonly number[];
}

const aggregate = fc.record({ updates: fc.nat(3), deleted: fc.boolean() });

/** Events of a few aggregates, mixed, each aggregate's in order. */
const told = fc
  .tuple(fc.array(aggregate, { minLength: 1, maxLength: 3 }), fc.array(fc.nat(100), { maxLength: 15 }))
  .map(([aggregates, picks]): readonly ToldEvent[] => {
    const waiting = aggregates.map(({ updates, deleted }, index) => {
      const kinds: ToldEvent["kind"][] = ["created", ...Array<"updated">(updates).fill("updated")];
      if (deleted) kinds.push("deleted");
      return kinds.map((kind, at) => ({ key: `k${index}`, kind, version: at + 1 }));
    });
    const mixed: ToldEvent[] = [];
    for (let turn = 0; waiting.some((left) => left.length > 0); turn += 1) {
      const left = waiting.filter((one) => one.length > 0);
      const next = left[(picks[turn] ?? 0) % left.length]?.shift();
      const number = mixed.length;
      if (next !== undefined) mixed.push({ ...next, source: `/s${number % 2}`, id: `e${Math.floor(number / 2)}` });
    }
    return mixed;
  });

/** Histories of deliveries; those of `deaths` also have processes that die. */
export function histories({ kinds, deaths }: HistoryOptions): fc.Arbitrary<History> {
  const death = fc.record<Death>({ write: fc.nat(2), when: fc.constantFrom("before", "during", "after") });
  const oneTry = fc.record<Try>({
    event: fc.nat(30),
    death: deaths ? fc.option(death, { nil: undefined }) : fc.constant(undefined),
    pauses: fc.array(fc.nat(3), { maxLength: 8 }),
  });
  const consumer = fc.nat(1);
  const member = fc.constantFrom<0 | 1>(0, 1);
  const steps: { readonly [K in Step["kind"]]: fc.Arbitrary<Step> } = {
    deliver: fc.record({ kind: fc.constant("deliver"), consumer, member, tries: fc.tuple(oneTry) }),
    together: fc.record({
      kind: fc.constant("together"),
      consumer,
      tries: fc.tuple(oneTry, oneTry),
    }),
    replay: fc.record({ kind: fc.constant("replay"), consumer, from: fc.nat(30) }),
    pass: fc.record({
      kind: fc.constant("pass"),
      share: fc.integer({ min: 0, max: 50 }).map((percent) => percent / 100),
    }),
  };
  return fc.record({
    events: told,
    steps: fc.array(fc.oneof(...kinds.map((kind) => steps[kind])), { maxLength: 24 }),
    order: fc.array(fc.nat(1000), { minLength: 15, maxLength: 15 }),
  });
}
