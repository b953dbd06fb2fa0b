import type { ConfigurationStore } from "@weft/configuration";
import type { Discovery } from "@weft/discovery";
import { type Clock, type Log, silentLog, systemClock, WeftError } from "@weft/kit";
import type { Locks } from "@weft/lock";
import type { PubSub } from "@weft/pubsub";
import type { SearchEngine } from "@weft/search";
import type { SecretStore } from "@weft/secrets";
import type { SqlDatabase } from "@weft/sql";
import type { StateStore } from "@weft/state";
import {
  type Adapters,
  configurationAdapters,
  discoveryAdapters,
  lockAdapters,
  type OpenContext,
  pick,
  pubsubAdapters,
  searchAdapters,
  secretsAdapters,
  sqlAdapters,
  stateAdapters,
} from "./adapters.ts";
import type { BlockUrls } from "./urls.ts";

export interface BlocksOptions {
  /** Folder of everything that embedded adapters store. */
  readonly dataDir: string;
  readonly urls: BlockUrls;
  /** What was opened is disposed through it, last opened first. */
  readonly stack: AsyncDisposableStack;
  /** Where `env:` looks for secrets. Default: nowhere, and opening `env:` is refused. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default: silent. */
  readonly log?: Log;
  /** Default: the machine's. */
  readonly clock?: Clock;
}

/**
 * The building blocks of one process: what `openSearch(blocks)` and its kin open them with. Each block is opened when it
 * is first asked for, and once; an opening that failed is tried again by the next call. `INVALID_CONFIGURATION` for a URL
 * that no adapter serves, `UNAVAILABLE` for a server or folder that can't be used.
 *
 * A function for each block, and no method: a bundle holds the adapters of those that it calls, and no others.
 */
export class Blocks {
  readonly #options: BlocksOptions;
  readonly #opened = new Map<string, Promise<AsyncDisposable>>();

  /** Opens nothing yet. */
  constructor(options: BlocksOptions) {
    this.#options = options;
  }

  /** For the functions of this package. A `key` names one type of block. */
  open<Block extends AsyncDisposable, Arguments extends unknown[]>(
    block: keyof BlockUrls,
    of: Adapters<Block, Arguments>,
    key: string,
    ...rest: Arguments
  ): Promise<Block> {
    const before = this.#opened.get(key);
    if (before !== undefined) return before as Promise<Block>; // By its key.
    const opening = this.#keep(async () => {
      const url = this.#options.urls[block];
      const revealed = typeof url === "string" ? url : url.reveal();
      return pick(block, of, revealed)(this.#context(revealed), ...rest);
    });
    this.#opened.set(key, opening);
    opening.catch(() => this.#opened.delete(key));
    return opening;
  }

  #context(url: string): OpenContext {
    const { dataDir, env, log = silentLog, clock = systemClock } = this.#options;
    return { url, dataDir, env, log, clock };
  }

  /** Opens a block and hands it to the stack; a process that began to stop meanwhile gets nothing. */
  async #keep<Block extends AsyncDisposable>(open: () => Promise<Block>): Promise<Block> {
    const { stack } = this.#options;
    const block = await open();
    if (!stack.disposed) return stack.use(block);
    await block[Symbol.asyncDispose]();
    throw new WeftError("DRAINING", "the process is stopping");
  }
}

/** Where processes find each other. */
export function openDiscovery(blocks: Blocks): Promise<Discovery> {
  return blocks.open("discovery", discoveryAdapters, "discovery");
}

/** The log of events. */
export function openPubSub(blocks: Blocks): Promise<PubSub> {
  return blocks.open("pubsub", pubsubAdapters, "pubsub");
}

/** A store of keyed state of its own for each name: lower-case letters, digits and `-`. */
export async function openState(blocks: Blocks, name: string): Promise<StateStore> {
  // It may stand in a file's name and in a key.
  if (!/^[a-z][a-z0-9-]{0,62}$/.test(name)) {
    throw new WeftError("INVALID_CONFIGURATION", `a state store can't be called '${name}': use a-z, 0-9 and '-'`);
  }
  return blocks.open("state", stateAdapters, `state ${name}`, name);
}

/** Leases with fencing tokens. */
export function openLocks(blocks: Blocks): Promise<Locks> {
  return blocks.open("lock", lockAdapters, "lock");
}

/** The search engine. */
export function openSearch(blocks: Blocks): Promise<SearchEngine> {
  return blocks.open("search", searchAdapters, "search");
}

/** The one database of the process; `Schema` is its tables as kysely wants them. */
export function openSql<Schema>(blocks: Blocks): Promise<SqlDatabase<Schema>> {
  // The schema is the compiler's alone: the object is the same whatever it says.
  return blocks.open("sql", sqlAdapters, "sql") as Promise<unknown> as Promise<SqlDatabase<Schema>>;
}

/** Settings that change while processes run. */
export function openConfiguration(blocks: Blocks): Promise<ConfigurationStore> {
  return blocks.open("configuration", configurationAdapters, "configuration");
}

/** Where secrets are read. */
export function openSecrets(blocks: Blocks): Promise<SecretStore> {
  return blocks.open("secrets", secretsAdapters, "secrets");
}

/** `INVALID_CONFIGURATION`, a line for each, when there are URLs that no adapter serves. Opens nothing. */
export function checkBlockUrls(urls: BlockUrls): void {
  const all: Readonly<Record<keyof BlockUrls, Readonly<Record<string, unknown>>>> = {
    discovery: discoveryAdapters,
    pubsub: pubsubAdapters,
    state: stateAdapters,
    lock: lockAdapters,
    search: searchAdapters,
    sql: sqlAdapters,
    configuration: configurationAdapters,
    secrets: secretsAdapters,
  };
  const problems = Object.entries(all).flatMap(([block, of]) => {
    const url = urls[block as keyof BlockUrls]; // By the type of `all`.
    try {
      pick(block, of, typeof url === "string" ? url : url.reveal());
      return [];
    } catch (error) {
      return [WeftError.from(error).message];
    }
  });
  if (problems.length > 0) throw new WeftError("INVALID_CONFIGURATION", problems.join("\n"));
}
