import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isWeftError, ManualClock, WeftError } from "@weft/kit";
import { describeMutants, type Mutant } from "@weft/kit/testing";
import type { StateOperation } from "@weft/state";
import { openEmbeddedState } from "@weft/state-embedded";
import { expect, test } from "vitest";
import { type ConsumersFixture, consumerLaws, describeConsumer } from "./conformance/index.ts";
import { changeOnce, rememberMs } from "./index.ts";
import { stateConsumers, type StateHandler, type Store } from "./state.fixture.ts";

/** Two groups in a store of their own, where time passes when it is told to. */
async function openConsumers(handler?: StateHandler): Promise<ConsumersFixture> {
  const dataDir = await mkdtemp(join(tmpdir(), "weft-inbox-"));
  const stack = new AsyncDisposableStack();
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const clock = new ManualClock();
  const open = async () => stack.use(await openEmbeddedState({ dataDir, name: "test", clock }));
  return {
    consumers: stateConsumers([await open(), await open()], handler),
    rememberMs,
    pass: (ms) => clock.advance(ms),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

describeConsumer("an inbox in state", () => openConsumers());

test("one that others keep overtaking is to be delivered again", async () => {
  let tries = 0;
  const busy: Store = {
    get: async () => undefined,
    transaction: async () => {
      throw new WeftError("ETAG_MISMATCH", "not this time");
    },
  };
  const intake = { group: "g", event: { source: "/s", id: "1" } };
  const changing = changeOnce(busy, intake, () => {
    tries += 1;
    return [];
  });
  await expect(changing).rejects.toMatchObject({ reason: "CONFLICT", retryable: true });
  expect(tries).toBe(10);
});

test("what fails otherwise fails at once", async () => {
  const broken: Store = {
    get: async () => undefined,
    transaction: async () => {
      throw new WeftError("UNAVAILABLE", "the store is away");
    },
  };
  const changing = changeOnce(broken, { group: "g", event: { source: "/s", id: "1" } }, () => []);
  await expect(changing).rejects.toMatchObject({ reason: "UNAVAILABLE" });
});

function mutant(breaks: string, fault: string, handler: StateHandler): Mutant<ConsumersFixture> {
  return { breaks, fault, open: () => openConsumers(handler) };
}

/** A handler on a store that takes transactions wrongly. */
const writing = (change: (store: Store, operations: readonly StateOperation[]) => Promise<void>): StateHandler => {
  return (store, intake, decide) =>
    changeOnce(
      { get: (key) => store.get(key), transaction: (operations) => change(store, operations) },
      intake,
      decide,
    );
};

describeMutants("the laws of consumers notice an inbox in state", consumerLaws({ seed: 1, runs: 100, shrink: false }), [
  mutant("I1", "nothing is recorded", async (store, _intake, decide) => store.transaction(await decide())),
  mutant(
    "I2",
    "the record follows the effect in another transaction",
    writing(async (store, [record, ...effect]) => {
      await store.transaction(effect);
      if (record !== undefined) await store.transaction([record]);
    }),
  ),
  mutant(
    "I2",
    "the record goes before the effect in another transaction",
    writing(async (store, [record, ...effect]) => {
      if (record !== undefined) await store.transaction([record]);
      await store.transaction(effect);
    }),
  ),
  mutant(
    "I3",
    "any record and any state is written over",
    writing((store, operations) => store.transaction(operations.map(unconditional))),
  ),
  mutant(
    "I3",
    "an effect that another overtook is taken for done",
    writing((store, operations) =>
      store.transaction(operations).catch((error: unknown) => {
        if (!isWeftError(error, "ETAG_MISMATCH")) throw error;
      }),
    ),
  ),
  mutant("I1", "the record is of no group", (store, { event }, decide) =>
    changeOnce(store, { group: "all", event }, decide),
  ),
  mutant("I1", "an event is known by its id alone", (store, { group, event }, decide) =>
    changeOnce(store, { group, event: { id: event.id, source: "" } }, decide),
  ),
  mutant("I5", "the record is gone when the log is", (store, intake, decide) =>
    changeOnce(store, { ...intake, ttlMs: 7 * 24 * 3_600_000 }, decide),
  ),
]);

function unconditional(operation: StateOperation): StateOperation {
  if (operation.kind === "delete") return operation;
  const { etag: _etag, ifAbsent: _ifAbsent, ...rest } = operation;
  return rest;
}
