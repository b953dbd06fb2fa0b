import { describeMutants, type Mutant } from "@weft/kit/testing";
import type { Discovery, InstanceList } from "../index.ts";
import { describeDiscoveryConformance, type DiscoveryFixture } from "./index.ts";
import { laws } from "./laws.ts";
import { modelFixture } from "./model.ts";

describeDiscoveryConformance("model", async () => modelFixture());

/** The model, with some methods of every handle replaced. */
function handles(change: (right: Discovery, fixture: DiscoveryFixture) => Partial<Discovery>) {
  return async (): Promise<DiscoveryFixture> => {
    const fixture = modelFixture();
    return {
      ...fixture,
      open: async () => {
        const right = await fixture.open();
        return {
          register: (instance, options) => right.register(instance, options),
          watch: (service, signal) => right.watch(service, signal),
          list: () => right.list(),
          [Symbol.asyncDispose]: () => right[Symbol.asyncDispose](),
          ...change(right, fixture),
        };
      },
    };
  };
}

/** The model, with every watch going through `change`. */
function watches(change: (lists: AsyncIterable<InstanceList>) => AsyncIterable<InstanceList>) {
  return handles((right) => ({ watch: (service, signal) => change(right.watch(service, signal)) }));
}

const mutants: readonly Mutant<DiscoveryFixture>[] = [
  {
    fault: "a watch gives its first list and no other",
    breaks: "D1",
    open: watches(async function* (lists) {
      let given = false;
      for await (const list of lists) {
        if (!given) yield list;
        given = true;
      }
    }),
  },
  {
    fault: "lists come in reverse order",
    breaks: "D1",
    open: watches(async function* (lists) {
      for await (const list of lists) yield { ...list, instances: list.instances.toReversed() };
    }),
  },
  {
    fault: "leaving is forgotten",
    breaks: "D2",
    open: handles((right) => ({
      register: async (instance, options) => ({
        ...(await right.register(instance, options)),
        [Symbol.asyncDispose]: async () => undefined,
      }),
    })),
  },
  {
    fault: "the TTL asked for is not kept",
    breaks: "D3",
    open: async () => {
      const fixture = modelFixture();
      return { ...fixture, registerElsewhere: (instance) => fixture.registerElsewhere(instance, { ttlMs: 20_000 }) };
    },
  },
  {
    fault: "a lost registry looks like one without instances",
    breaks: "D4",
    open: watches(async function* (lists) {
      for await (const list of lists) yield list.stale ? { ...list, instances: [] } : list;
    }),
  },
  {
    fault: "the end of a former registration removes its successor",
    breaks: "D5",
    open: handles((right) => ({
      register: async (instance, options) => {
        await right.register(instance, options);
        return {
          instance,
          [Symbol.asyncDispose]: async () => (await right.register(instance, options))[Symbol.asyncDispose](),
        };
      },
    })),
  },
  {
    fault: "each list is given twice",
    breaks: "D6",
    open: watches(async function* (lists) {
      for await (const list of lists) {
        yield list;
        yield list;
      }
    }),
  },
  {
    fault: "registrations outlive their block",
    breaks: "D7",
    open: handles(() => ({ [Symbol.asyncDispose]: async () => undefined })),
  },
];

describeMutants("discovery: mutants", laws, mutants);
