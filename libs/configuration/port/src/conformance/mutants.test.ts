import { describeMutants, type Mutant } from "@weft/kit/testing";
import type { ConfigurationItem, ConfigurationStore, ConfigurationUpdate } from "../index.ts";
import { type ConfigurationFixture, describeConfigurationConformance } from "./index.ts";
import { laws } from "./laws.ts";
import { modelFixture } from "./model.ts";

describeConfigurationConformance("model", async () => modelFixture());

/** The model, with some methods of every handle replaced. */
function handles(change: (right: ConfigurationStore) => Partial<ConfigurationStore>) {
  return async (): Promise<ConfigurationFixture> => {
    const fixture = modelFixture();
    return {
      ...fixture,
      open: async () => {
        const right = await fixture.open();
        return {
          get: (keys) => right.get(keys),
          set: (key, value) => right.set(key, value),
          watch: (keys, signal) => right.watch(keys, signal),
          [Symbol.asyncDispose]: () => right[Symbol.asyncDispose](),
          ...change(right),
        };
      },
    };
  };
}

/** The model, with every watch going through `change`. */
function watches(change: (updates: AsyncIterable<ConfigurationUpdate>) => AsyncIterable<ConfigurationUpdate>) {
  return handles((right) => ({ watch: (keys, signal) => change(right.watch(keys, signal)) }));
}

const mutants: readonly Mutant<ConfigurationFixture>[] = [
  {
    fault: "a missing key reads as an empty value",
    breaks: "C1",
    open: handles((right) => ({
      get: async (keys) => {
        const items = await right.get(keys);
        if (keys.length === 0) return items;
        return new Map(keys.map((key) => [key, items.get(key) ?? { value: "", version: "0" }]));
      },
    })),
  },
  {
    fault: "a watch waits for the first change",
    breaks: "C2",
    open: watches(async function* (updates) {
      let first = true;
      for await (const update of updates) {
        if (!first) yield update;
        first = false;
      }
    }),
  },
  {
    fault: "removed keys stay with the watchers",
    breaks: "C2",
    open: watches(async function* (updates) {
      const seen = new Map<string, ConfigurationItem>();
      for await (const { items, stale } of updates) {
        for (const [key, item] of items) seen.set(key, item);
        yield { items: new Map(seen), stale };
      }
    }),
  },
  {
    fault: "watchers hear of every key",
    breaks: "C2",
    open: handles((right) => ({ watch: (_, signal) => right.watch([], signal) })),
  },
  {
    fault: "a lost store looks like an empty one",
    breaks: "C3",
    open: watches(async function* (updates) {
      for await (const update of updates) yield update.stale ? { items: new Map(), stale: true } : update;
    }),
  },
  {
    fault: "the version is made from the value",
    breaks: "C4",
    open: handles((right) => ({
      get: async (keys) => {
        const items = await right.get(keys);
        return new Map([...items].map(([key, { value }]) => [key, { value, version: `v${value}` }]));
      },
    })),
  },
];

describeMutants("configuration: mutants", laws, mutants);
