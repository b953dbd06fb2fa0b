import { type Clock, orAborted } from "@weft/kit";
import type { IndexEntry } from "./catalog.ts";
import type { Server } from "./server.ts";

/** Searches that begin within this time read the same state of an index, in milliseconds; law F1 gives a second. */
const shareMs = 200;
/** How long a state is kept after its last use, in seconds. */
const keepSeconds = 120;
/** States that page tokens of this process may name; the least used go first. */
const maxKept = 300;

/** A state of an index that searches read: a point in time of Elasticsearch. */
export interface Snapshot {
  readonly id: string;
  /** @param named a page token names it, so it has to stay */
  release(named: boolean): void;
}

interface Shared {
  readonly target: string;
  readonly id: Promise<string>;
  readonly openedAt: number;
  users: number;
  named: boolean;
  current: boolean;
}

/** How a request names a state, and keeps it. */
export function pointInTime(id: string): object {
  return { id, keep_alive: `${keepSeconds}s` };
}

/**
 * Makes every change that was applied before visible (law F1): Elasticsearch does so on a timer, which may come late on
 * a busy server, and only while somebody searches. Where nothing has changed it costs next to nothing.
 */
export async function refresh(server: Server, indexes: string, signal?: AbortSignal): Promise<void> {
  const aborting = signal === undefined ? {} : { signal };
  await server.request({ method: "POST", path: `/${indexes}/_refresh`, kind: "read", ...aborting });
}

/** A point in time with every change in it that was applied before. */
export async function openPointInTime(server: Server, index: string, signal?: AbortSignal): Promise<string> {
  await refresh(server, index, signal);
  const { id } = await server.request<{ readonly id: string }>({
    method: "POST",
    path: `/${index}/_pit`,
    query: { keep_alive: `${keepSeconds}s` },
    kind: "read",
    ...(signal === undefined ? {} : { signal }),
  });
  return id;
}

/** Does not reject: one that stays open ends by itself. */
export async function closePointInTime(server: Server, id: string): Promise<void> {
  await server.request({ method: "DELETE", path: "/_pit", body: { id }, kind: "read" }).catch(() => undefined);
}

/**
 * The states of indexes that searches read, so that the pages of one query are of one state (law F4). A state costs
 * Elasticsearch a request and memory, and most queries never ask for a second page: so searches that begin together
 * share one, and one that no page token names is closed.
 */
export class Snapshots implements AsyncDisposable {
  readonly #server: Server;
  readonly #clock: Clock;
  /** By alias. */
  readonly #current = new Map<string, Shared>();
  /** Ids that page tokens name, the least used first. */
  readonly #kept = new Map<string, number>();
  readonly #closing = new Set<Promise<void>>();

  constructor(server: Server, clock: Clock) {
    this.#server = server;
    this.#clock = clock;
  }

  /** A state no older than `shareMs`. One who gives up leaves it to the others, who wait for it too or come soon. */
  async take({ alias, target }: Pick<IndexEntry, "alias" | "target">, signal?: AbortSignal): Promise<Snapshot> {
    const shared = this.#open(alias, target);
    shared.users += 1;
    try {
      const id = await orAborted(shared.id, signal);
      return { id, release: (named) => this.#release(shared, named ? id : undefined) };
    } catch (error) {
      this.#release(shared, undefined);
      throw error;
    }
  }

  /** The state that a page token names, which this or another process opened. */
  use(id: string): Snapshot {
    return { id, release: () => this.#keep(id) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const current = [...this.#current.values()];
    this.#current.clear();
    // Those that tokens name stay: another process may be asked for the next page.
    for (const shared of current) this.#retire(shared);
    await Promise.all(this.#closing);
  }

  #open(alias: string, target: string): Shared {
    const now = this.#clock.monotonic();
    const old = this.#current.get(alias);
    if (old?.target === target && now - old.openedAt < shareMs) return old;
    const id = openPointInTime(this.#server, target);
    const shared: Shared = { target, id, openedAt: now, users: 0, named: false, current: true };
    this.#current.set(alias, shared);
    id.catch(() => {
      if (this.#current.get(alias) === shared) this.#current.delete(alias);
    });
    if (old !== undefined) this.#retire(old);
    return shared;
  }

  #retire(shared: Shared): void {
    shared.current = false;
    if (shared.users === 0 && !shared.named) this.#close(shared.id);
  }

  #release(shared: Shared, named: string | undefined): void {
    shared.users -= 1;
    shared.named ||= named !== undefined;
    if (named !== undefined) this.#keep(named);
    else if (!shared.current && shared.users === 0 && !shared.named) this.#close(shared.id);
  }

  #keep(id: string): void {
    const now = this.#clock.monotonic();
    this.#kept.delete(id);
    this.#kept.set(id, now);
    for (const [oldest, usedAt] of this.#kept) {
      const ended = now - usedAt > keepSeconds * 1000;
      if (!ended && this.#kept.size <= maxKept) break;
      this.#kept.delete(oldest);
      if (!ended) this.#close(Promise.resolve(oldest));
    }
  }

  #close(id: Promise<string>): void {
    const closing = id.then(
      (open) => closePointInTime(this.#server, open),
      () => undefined,
    );
    this.#closing.add(closing);
    void closing.finally(() => this.#closing.delete(closing));
  }
}
