import { isWeftError, WeftError } from "@weft/kit";
import type { StateOperation, StateStore } from "@weft/state";
import type { Notification } from "../domain/notification.ts";
import { decode, encode } from "./json.ts";
import { keys } from "./keys.ts";

const maxTries = 10;
/** Notifications that one transaction removes: each is two operations. */
const removeBatch = 400;

/** Notifications, by person and by id. */
export class Inbox {
  readonly #store: StateStore;

  constructor(store: StateStore) {
    this.#store = store;
  }

  async find(id: string): Promise<Notification | undefined> {
    const place = await this.#store.get(keys.place(id));
    const entry = place && (await this.#store.get(decode<{ key: string }>(place).key));
    return entry && decode<Notification>(entry);
  }

  /** Newest first, older than the sequence `before` if it is given. */
  async newest(userId: string, limit: number, before?: number): Promise<readonly Notification[]> {
    const after = before === undefined ? {} : { after: keys.notification(userId, before) };
    const entries = await this.#store.range({ prefix: keys.inbox(userId), limit, reverse: true, ...after });
    return entries.map((entry) => decode<Notification>(entry));
  }

  /** Oldest first, newer than the sequence. */
  async since(userId: string, sequence: number, limit: number): Promise<readonly Notification[]> {
    const after = keys.notification(userId, sequence);
    const entries = await this.#store.range({ prefix: keys.inbox(userId), after, limit });
    return entries.map((entry) => decode<Notification>(entry));
  }

  /** The notification after `change`; undefined when it is gone. Runs `change` again when somebody else was faster. */
  async update(id: string, change: (notification: Notification) => Notification): Promise<Notification | undefined> {
    for (let count = 1; ; count += 1) {
      const place = await this.#store.get(keys.place(id));
      const entry = place && (await this.#store.get(decode<{ key: string }>(place).key));
      if (entry === undefined) return undefined;
      const before = decode<Notification>(entry);
      const after = change(before);
      if (after === before) return before;
      try {
        await this.#store.set(entry.key, encode(after), { etag: entry.etag });
        return after;
      } catch (error) {
        if (!isWeftError(error, "ETAG_MISMATCH")) throw error;
        if (count === maxTries)
          throw new WeftError("CONFLICT", "others keep changing this notification", { cause: error });
      }
    }
  }

  /** Removes everything of a person. Only after they were marked deleted: nothing new may come meanwhile. */
  async removeAll(userId: string): Promise<void> {
    for (;;) {
      const entries = await this.#store.range({ prefix: keys.inbox(userId), limit: removeBatch });
      if (entries.length === 0) return;
      const removals = entries.flatMap((entry): StateOperation[] => [
        { kind: "delete", key: entry.key },
        { kind: "delete", key: keys.place(decode<Notification>(entry).id) },
      ]);
      await this.#store.transaction([...removals, { kind: "set", key: keys.changed, value: new Uint8Array(0) }]);
    }
  }
}
