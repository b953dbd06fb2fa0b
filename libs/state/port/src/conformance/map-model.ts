import fc from "fast-check";
import { expect, test } from "vitest";
import type { StateEntry, StateOperation, StateStore } from "../state.ts";
import type { StateFixture } from "./fixture.ts";

interface ModelEntry {
  readonly value: string;
  readonly etag: string;
  readonly expires: number;
}

/** What the store is meant to be: a map. */
class Model {
  readonly entries = new Map<string, ModelEntry>();
  /** Every etag that was ever given, in order, for commands to choose from. */
  readonly etags: string[] = [];
  now = 0;

  get(key: string): ModelEntry | undefined {
    const entry = this.entries.get(key);
    return entry !== undefined && entry.expires > this.now ? entry : undefined;
  }

  allows(operation: StateOperation): boolean {
    const entry = this.get(operation.key);
    if (operation.etag !== undefined && entry?.etag !== operation.etag) return false;
    return operation.kind === "delete" || operation.ifAbsent !== true || entry === undefined;
  }
}

/** So long that what a real server takes meanwhile does not count. */
const minutes = (count: number): number => count * 60_000;

const key = fc.constantFrom("a", "ab", "b", "ä", "b/1", "b/2", "🔑");
/** Which of the etags given so far; the latest are the likely ones. */
const etagIndex = fc.option(fc.nat(6), { nil: undefined });
const draft = fc.record({
  kind: fc.constantFrom("set" as const, "delete" as const),
  key,
  value: fc.string({ maxLength: 3 }),
  etagIndex,
  ifAbsent: fc.boolean(),
  ttlMs: fc.option(fc.integer({ min: 1, max: 100 }).map(minutes), { nil: undefined }),
});
const command = fc.oneof(
  fc.record({
    run: fc.constant("write" as const),
    drafts: fc.uniqueArray(draft, { maxLength: 4, selector: (d) => d.key }),
  }),
  fc.record({ run: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 60 }).map(minutes) }),
  fc.record({
    run: fc.constant("range" as const),
    prefix: fc.constantFrom("", "a", "b", "b/", "ä", "z"),
    after: fc.option(key, { nil: undefined }),
    limit: fc.integer({ min: 1, max: 4 }),
    reverse: fc.boolean(),
  }),
);

function operationOf(given: typeof draft extends fc.Arbitrary<infer D> ? D : never, model: Model): StateOperation {
  const etag = given.etagIndex === undefined ? undefined : model.etags.at(-1 - given.etagIndex);
  const version = etag === undefined ? {} : { etag };
  if (given.kind === "delete") return { kind: "delete", key: given.key, ...version };
  const condition = etag === undefined && given.ifAbsent ? { ifAbsent: true } : version;
  const ttl = given.ttlMs === undefined ? {} : { ttlMs: given.ttlMs };
  return { kind: "set", key: given.key, value: Buffer.from(given.value), ...condition, ...ttl };
}

async function write(store: StateStore, model: Model, operations: readonly StateOperation[]): Promise<void> {
  const allowed = operations.every((operation) => model.allows(operation));
  const done = await store.transaction(operations).then(
    () => true,
    (error: unknown) => {
      expect(error).toMatchObject({ reason: "ETAG_MISMATCH" });
      return false;
    },
  );
  expect(done).toBe(allowed);
  if (!allowed) return;
  for (const operation of operations) {
    model.entries.delete(operation.key);
    if (operation.kind === "delete") continue;
    const etag = (await store.get(operation.key))?.etag ?? "none";
    expect(model.etags).not.toContain(etag);
    model.etags.push(etag);
    const expires = operation.ttlMs === undefined ? Number.POSITIVE_INFINITY : model.now + operation.ttlMs;
    model.entries.set(operation.key, { value: Buffer.from(operation.value).toString(), etag, expires });
  }
}

function seen(entries: readonly StateEntry[]): string[][] {
  return entries.map((entry) => [entry.key, Buffer.from(entry.value).toString(), entry.etag]);
}

/**
 * Tests a store with every capability against a map: any history of writes, time and ranges. `pass` of these fixtures
 * has to take no time: the histories have hours.
 */
export function describeStateModel(name: string, open: () => Promise<StateFixture>): void {
  test(
    `state model: ${name}: any history of writes, time and ranges is that of a map`,
    { timeout: 60_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(command, { maxLength: 30 }), async (commands) => {
          await using fixture = await open();
          const stores = [await fixture.open(), await fixture.open()];
          const model = new Model();
          // An etag that is of the right form, and of no entry.
          model.etags.push((await stores[0]?.set("first", Buffer.of())) ?? "none");
          await stores[0]?.delete("first");
          for (const [index, step] of commands.entries()) {
            const store = stores[index % 2] ?? (await fixture.open());
            if (step.run === "write") {
              await write(
                store,
                model,
                step.drafts.map((given) => operationOf(given, model)),
              );
            } else if (step.run === "pass") {
              await fixture.pass(step.ms);
              model.now += step.ms;
            } else {
              const { prefix, after, limit, reverse } = step;
              const sign = reverse ? -1 : 1;
              const expected = [...model.entries.keys()]
                .filter((name) => name.startsWith(prefix) && model.get(name) !== undefined)
                .sort((a, b) => sign * Buffer.from(a).compare(Buffer.from(b)))
                .filter((name) => after === undefined || sign * Buffer.from(name).compare(Buffer.from(after)) > 0)
                .slice(0, limit)
                .map((name) => [name, model.get(name)?.value, model.get(name)?.etag]);
              const bound = after === undefined ? {} : { after };
              expect(seen(await store.range({ prefix, limit, reverse, ...bound }))).toEqual(expected);
            }
          }
        }),
        { numRuns: 60 },
      );
    },
  );
}
