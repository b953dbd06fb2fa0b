import { isWeftError, WeftError } from "@weft/kit";
import type { StateOperation, StateStore } from "@weft/state";
import type { Notification } from "../domain/notification.ts";
import { newPerson, type Person } from "../domain/person.ts";
import { newJob } from "./jobs.ts";
import { decode, encode } from "./json.ts";
import { keys } from "./keys.ts";

/** Tries of a change that others keep overtaking. */
const maxTries = 10;
const requestTtlMs = 24 * 60 * 60 * 1000;

/** What a use case decided, to be written as a whole. */
export interface Change {
  readonly person: Person;
  /** Its sequence is the person's new one. */
  readonly notification?: Notification;
  /** When its pending deliveries are due, in milliseconds since the epoch. */
  readonly due?: number;
  /** Remembers which notification answered a request. */
  readonly request?: { readonly key: string; readonly value: AnsweredRequest };
}

export interface AnsweredRequest {
  readonly notificationId: string;
  /** Tells the same request from another one under the same id. */
  readonly fingerprint: string;
}

/** People, with all that hangs on one. Changes of one person happen one after the other. */
export class People {
  readonly #store: StateStore;

  constructor(store: StateStore) {
    this.#store = store;
  }

  async get(userId: string): Promise<Person> {
    const entry = await this.#store.get(keys.person(userId));
    return entry === undefined ? newPerson(userId) : decode<Person>(entry);
  }

  /**
   * Reads a person, asks `decide`, and writes what it says in one transaction; again from the start when somebody else
   * was faster. Undefined changes nothing.
   */
  async change<C extends Change>(
    userId: string,
    decide: (person: Person) => Promise<C | undefined> | C | undefined,
  ): Promise<C | undefined> {
    for (let count = 1; ; count += 1) {
      const entry = await this.#store.get(keys.person(userId));
      const change = await decide(entry === undefined ? newPerson(userId) : decode<Person>(entry));
      if (change === undefined) return undefined;
      const version = entry === undefined ? { ifAbsent: true } : { etag: entry.etag };
      const set = { kind: "set", key: keys.person(userId), value: encode(change.person), ...version } as const;
      try {
        await this.#store.transaction([set, ...operationsOf(change)]);
        return change;
      } catch (error) {
        if (!isWeftError(error, "ETAG_MISMATCH")) throw error;
        if (count === maxTries) throw new WeftError("CONFLICT", "others keep changing this inbox", { cause: error });
      }
    }
  }

  async answered(key: string): Promise<AnsweredRequest | undefined> {
    const entry = await this.#store.get(key);
    return entry && decode<AnsweredRequest>(entry);
  }
}

function operationsOf({ notification, due, request }: Change): readonly StateOperation[] {
  const operations: StateOperation[] = [];
  if (request !== undefined) {
    const { key, value } = request;
    operations.push({ kind: "set", key, value: encode(value), ifAbsent: true, ttlMs: requestTtlMs });
  }
  if (notification === undefined) return operations;
  const { id, userId, sequence, deliveries, createTime } = notification;
  const key = keys.notification(userId, sequence);
  operations.push(
    { kind: "set", key: keys.changed, value: new Uint8Array(0) },
    { kind: "set", key, value: encode(notification), ifAbsent: true },
    { kind: "set", key: keys.place(id), value: encode({ key }), ifAbsent: true },
  );
  for (const { channel, state } of deliveries) {
    if (state !== "pending" || channel === "in-app") continue;
    operations.push(newJob({ userId, notificationId: id, channel, attempts: 0 }, due ?? createTime));
  }
  return operations;
}
