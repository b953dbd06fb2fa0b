import { WeftError } from "@weft/kit";
import { describeMutants, type Mutant } from "@weft/kit/testing";
import type { StateStore } from "@weft/state";
import { type StateFixture, stateLaws } from "@weft/state/conformance";
import { openFixture } from "./fixture.ts";

interface Fault extends Omit<Mutant<StateFixture>, "open"> {
  readonly wrap: (right: StateStore) => Partial<StateStore>;
}

const mutants: readonly Fault[] = [
  {
    fault: "deleting a missing key fails",
    breaks: "S1",
    wrap: (right) => ({
      delete: async (key, options) => {
        if ((await right.get(key)) === undefined) throw new WeftError("NOT_FOUND", "no such key");
        await right.delete(key, options);
      },
    }),
  },
  {
    fault: "folds the case of keys",
    breaks: "S1",
    wrap: (right) => ({ set: (key, value, options) => right.set(key.toLowerCase(), value, options) }),
  },
  {
    fault: "keeps the etag of an equal value",
    breaks: "S2",
    wrap: (right) => ({
      set: async (key, value, options) => {
        const entry = await right.get(key);
        return entry !== undefined && Buffer.from(value).equals(entry.value)
          ? entry.etag
          : right.set(key, value, options);
      },
    }),
  },
  {
    fault: "writes over any version",
    breaks: "S3",
    wrap: (right) => ({ set: (key, value) => right.set(key, value) }),
  },
  {
    fault: "takes an etag that it never gave for an old one",
    breaks: "S3",
    wrap: (right) => ({
      set: (key, value, options = {}) =>
        right.set(key, value, options.etag === undefined ? options : { etag: "1000000" }),
    }),
  },
  {
    fault: "looks for an absent key before it writes, not while",
    breaks: "S4",
    wrap: (right) => ({
      set: async (key, value, { ifAbsent = false, ...options } = {}) => {
        const found = ifAbsent ? await right.get(key) : undefined;
        if (found !== undefined) throw new WeftError("ETAG_MISMATCH", "there is a value");
        return right.set(key, value, options);
      },
    }),
  },
  {
    fault: "keeps entries for good",
    breaks: "S5",
    wrap: (right) => ({ set: (key, value, { ttlMs: _, ...options } = {}) => right.set(key, value, options) }),
  },
  {
    fault: "keeps an older TTL",
    breaks: "S5",
    wrap: (right) => {
      const ttls = new Map<string, number>();
      return {
        set: (key, value, options = {}) => {
          const ttlMs = options.ttlMs ?? ttls.get(key);
          if (ttlMs !== undefined) ttls.set(key, ttlMs);
          return right.set(key, value, ttlMs === undefined ? options : { ...options, ttlMs });
        },
      };
    },
  },
  {
    fault: "does the operations of a transaction one by one",
    breaks: "S6",
    wrap: (right) => ({
      transaction: async (operations) => {
        for (const operation of operations) await right.transaction([operation]);
      },
    }),
  },
  {
    fault: "sorts keys by UTF-16",
    breaks: "S7",
    wrap: (right) => ({
      range: async (options) =>
        [...(await right.range(options))].sort((a, b) => (a.key < b.key === !(options.reverse ?? false) ? -1 : 1)),
    }),
  },
  {
    fault: "answers a write before it is stored",
    breaks: "S8",
    wrap: (right) => ({
      set: async (key, value, options) => {
        setTimeout(() => void right.set(key, value, options).catch(() => {}), 10);
        return "1";
      },
    }),
  },
  {
    fault: "has what it does not declare",
    breaks: "S7",
    wrap: () => ({ capabilities: new Set() }),
  },
];

/** A fixture whose handles are wrong in the way that `wrap` says. */
async function wrongly(wrap: Fault["wrap"]): Promise<StateFixture> {
  const right = await openFixture();
  return {
    async open() {
      const original = await right.open();
      const wrapping = wrap(original);
      return new Proxy(original, {
        get(target, name) {
          const own: unknown = Reflect.get(wrapping, name) ?? Reflect.get(target, name, target);
          return typeof own === "function" ? own.bind(target) : own;
        },
      });
    },
    kill: async (store) => store[Symbol.asyncDispose](),
    pass: (ms) => right.pass(ms),
    [Symbol.asyncDispose]: () => right[Symbol.asyncDispose](),
  };
}

describeMutants(
  "state conformance notices",
  stateLaws,
  mutants.map(({ wrap, ...mutant }) => ({ ...mutant, open: () => wrongly(wrap) })),
);
