import {
  type ConsumersFixture,
  consumerLaws,
  describeConsumer,
  lived,
  type TestConsumer,
  type ToldEvent,
} from "@weft/inbox/conformance";
import { silentLog } from "@weft/kit";
import { describeMutants, type Mutant } from "@weft/kit/testing";
import type { StateOperation, StateStore } from "@weft/state";
import { composeParts } from "../compose.ts";
import { type Account, type PresentPerson, withAccount } from "../domain/person.ts";
import { decode } from "../store/json.ts";
import { openFixture } from "../testing.ts";
import { type AccountEvent, takeIn } from "./events.ts";
import { notify } from "./notify.ts";
import type { Parts } from "./parts.ts";

type TakeIn = (parts: Parts, event: AccountEvent) => Promise<void>;
type Rewrite = (operations: readonly StateOperation[]) => readonly (readonly StateOperation[])[];

interface Wrong {
  readonly takeIn?: TakeIn;
  /** The transactions that become of one. */
  readonly rewrite?: Rewrite;
}

/** The group of notification services, two replicas on one embedded store. */
async function openService({ takeIn: take = takeIn, rewrite }: Wrong = {}): Promise<ConsumersFixture> {
  const fixture = await openFixture();
  const stores = [await fixture.store(), await fixture.store()] as const;
  const { clock, mail } = fixture;
  const partsOn = (store: StateStore): Parts => {
    return composeParts({ store, senders: { email: mail }, clock, newId: () => crypto.randomUUID(), log: silentLog });
  };
  const seen = partsOn(stores[0]);
  const consumer: TestConsumer = {
    async take(event, life) {
      const store = lived(stores[life.member], life, ["set", "delete", "transaction"]);
      await take(partsOn(rewrite === undefined ? store : rewriting(store, rewrite)), accountEvent(event));
    },
    outcome: (events) => Promise.all(usersOf(events).map((userId) => outcomeOf(seen, userId))),
    expected(events) {
      // The last of each is the newest.
      const last = new Map(events.map((event) => [event.key, event]));
      return [...last.values()].map(({ kind, version }) =>
        kind === "deleted"
          ? { state: "deleted", version, name: undefined, notifications: 0 }
          : { state: "present", version, name: `V${version}`, notifications: 1, mails: 1 },
      );
    },
  };
  return {
    consumers: [consumer],
    pass: (ms) => clock.advance(ms),
    [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
  };
}

async function outcomeOf({ people, inbox, jobs }: Parts, userId: string): Promise<unknown> {
  const person = await people.get(userId);
  const { state, version } = person;
  const notifications = (await inbox.newest(userId, 100)).length;
  // Of somebody who is gone, jobs find nothing when they come due.
  if (state === "deleted") return { state, version, name: undefined, notifications };
  const mails = (await jobs.due(Number.MAX_SAFE_INTEGER, 1000)).filter(({ job }) => job.userId === userId).length;
  return { state, version, name: person.name, notifications, mails };
}

function accountEvent({ key: userId, kind, version }: ToldEvent): AccountEvent {
  if (kind === "deleted") return { kind, userId, version };
  return { kind, account: { userId, version, name: `V${version}`, email: `${userId}@example.org`, locale: "en" } };
}

function usersOf(events: readonly ToldEvent[]): readonly string[] {
  return [...new Set(events.map(({ key }) => key))];
}

describeConsumer("the notification service", openService);

function rewriting(store: StateStore, rewrite: Rewrite): StateStore {
  return new Proxy(store, {
    get(target, name) {
      if (name !== "transaction") return Reflect.get(target, name, target) as unknown;
      return async (operations: readonly StateOperation[]) => {
        for (const part of rewrite(operations)) if (part.length > 0) await target.transaction(part);
      };
    },
  });
}

const isPerson = ({ key }: StateOperation): boolean => key.startsWith("person/");

/** Each operation that marks somebody deleted, rewritten. */
function tombstones(change: (operation: StateOperation & { kind: "set" }) => StateOperation): Rewrite {
  const isMark = (one: StateOperation): one is StateOperation & { kind: "set" } =>
    one.kind === "set" && isPerson(one) && decode<{ state: string }>({ ...one, etag: "" }).state === "deleted";
  return (operations) => [operations.map((one) => (isMark(one) ? change(one) : one))];
}

function unconditional(operation: StateOperation): StateOperation {
  if (operation.kind === "delete") return operation;
  const { etag: _etag, ifAbsent: _ifAbsent, ...rest } = operation;
  return rest;
}

/** A way to take in events that decides otherwise. */
function deciding({
  isWelcome = (before) => !before.welcomed,
  apply = withAccount,
}: {
  readonly isWelcome?: (before: PresentPerson) => boolean;
  readonly apply?: (before: PresentPerson, account: Account) => PresentPerson;
}): TakeIn {
  return async (parts, event) => {
    if (event.kind === "deleted") return takeIn(parts, event);
    await parts.people.change(event.account.userId, (before) => {
      if (before.state === "deleted") return undefined;
      const person = apply(before, event.account);
      if (event.kind === "updated" || !isWelcome(before)) return { person };
      return notify(parts, { ...person, welcomed: true }, { id: parts.newId(), type: "welcome", title: "", body: "" });
    });
  };
}

/** Deletions that are taken in otherwise. */
function forgetting(forget: (parts: Parts, userId: string, mark: () => Promise<boolean>) => Promise<void>): TakeIn {
  return async (parts, event) => {
    if (event.kind !== "deleted") return takeIn(parts, event);
    const { userId, version } = event;
    const mark = async (): Promise<boolean> => {
      const change = await parts.people.change(userId, ({ state }) =>
        state === "deleted" ? undefined : { person: { state: "deleted", userId, version } },
      );
      return change !== undefined;
    };
    await forget(parts, userId, mark);
  };
}

function mutant(breaks: string, fault: string, wrong: Wrong): Mutant<ConsumersFixture> {
  return { breaks, fault, open: () => openService(wrong) };
}

describeMutants("the laws of consumers notice a service", consumerLaws({ seed: 1, runs: 100, shrink: false }), [
  mutant("I1", "every delivery is a welcome", { takeIn: deciding({ isWelcome: () => true }) }),
  mutant("I4", "who is known by an update is not welcomed", {
    takeIn: deciding({ isWelcome: ({ version }) => version === 0 }),
  }),
  mutant("I4", "an older account is taken in", {
    takeIn: deciding({ apply: (person, account) => ({ ...person, ...account }) }),
  }),
  mutant("I2", "the welcome is written before it is noted", {
    rewrite: (operations) => [operations.filter((one) => !isPerson(one)), operations.filter(isPerson)],
  }),
  mutant("I2", "the welcome is noted before it is written", {
    rewrite: (operations) => [operations.filter(isPerson), operations.filter((one) => !isPerson(one))],
  }),
  mutant("I3", "a person is written over whoever was faster", {
    rewrite: (operations) => [operations.map(unconditional)],
  }),
  mutant("I4", "a deletion leaves no mark", { rewrite: tombstones(({ key }) => ({ kind: "delete", key })) }),
  mutant("I5", "the mark of a deletion is forgotten after a year", {
    rewrite: tombstones((mark) => ({ ...mark, ttlMs: 365 * 24 * 3_600_000 })),
  }),
  mutant("I2", "who is marked is not looked after again", {
    takeIn: forgetting(async (parts, userId, mark) => {
      if (await mark()) await parts.inbox.removeAll(userId);
    }),
  }),
  mutant("I3", "the inbox is emptied before the mark", {
    takeIn: forgetting(async (parts, userId, mark) => {
      await parts.inbox.removeAll(userId);
      await mark();
    }),
  }),
]);
