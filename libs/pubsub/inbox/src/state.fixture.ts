import type { StateOperation, StateStore } from "@weft/state";
import { lived, type TestConsumer, type ToldEvent } from "./conformance/index.ts";
import { changeOnce, type Intake } from "./index.ts";

export type Store = Pick<StateStore, "get" | "transaction">;

/** How a handler gets its effect into the store once: right, or wrong in some way. */
export type StateHandler = (
  store: Store,
  intake: Intake,
  decide: () => Promise<readonly StateOperation[]>,
) => Promise<unknown>;

/** Two groups that count events, with two members each, which have these handles on one store. */
export function stateConsumers(
  members: readonly [StateStore, StateStore],
  handler: StateHandler = changeOnce,
): readonly TestConsumer[] {
  return ["one", "two"].map((group) => consumer(members, group, handler));
}

function consumer(members: readonly [StateStore, StateStore], group: string, handler: StateHandler): TestConsumer {
  return {
    async take(event, life) {
      const store = lived(members[life.member], life, ["transaction"]);
      await handler(store, { group, event }, () => counting(store, group, event));
    },
    outcome: async (events) => {
      const read = async (key: string) => numberOf((await members[0].get(key))?.value);
      return {
        effects: await Promise.all(events.map((event) => read(effectKey(group, event)))),
        totals: await Promise.all(events.map(({ key }) => read(totalKey(group, key)))),
      };
    },
    expected: (events) => ({
      effects: events.map(() => 1),
      totals: events.map(({ key }) => events.filter((other) => other.key === key).length),
    }),
  };
}

const effectKey = (group: string, { source, id }: ToldEvent) => `effect/${group}${source}/${id}`;
const totalKey = (group: string, key: string) => `total/${group}/${key}`;
const numberOf = (value: Uint8Array | undefined) => (value === undefined ? 0 : Number(Buffer.from(value).toString()));

/** An effect that no version guards: one more for the event, and for its aggregate. */
async function counting(store: Store, group: string, event: ToldEvent): Promise<readonly StateOperation[]> {
  const keys = [effectKey(group, event), totalKey(group, event.key)];
  return Promise.all(
    keys.map(async (key): Promise<StateOperation> => {
      const before = await store.get(key);
      const version = before === undefined ? { ifAbsent: true } : { etag: before.etag };
      return { kind: "set", key, value: Buffer.from(String(numberOf(before?.value) + 1)), ...version };
    }),
  );
}
