import type { ConfigurationStore } from "@weft/configuration";
import type { Discovery } from "@weft/discovery";
import { type Clock, type Log, type Secret, silentLog, systemClock, WeftError } from "@weft/kit";
import type { Locks } from "@weft/lock";
import type { PubSub } from "@weft/pubsub";
import type { SearchEngine } from "@weft/search";
import type { SecretStore } from "@weft/secrets";
import type { SqlDatabase } from "@weft/sql";
import type { StateStore } from "@weft/state";
import { type Adapters, adapters, type OpenContext, pick } from "./adapters.ts";
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
 * The building blocks of one process. Each is opened when it is first asked for, and once; an opening that failed is
 * tried again by the next call. `INVALID_CONFIGURATION` for a URL that no adapter serves, `UNAVAILABLE` for a server
 * or folder that can't be used.
 */
export interface Blocks {
  discovery(): Promise<Discovery>;
  pubsub(): Promise<PubSub>;
  /** A store of its own for each name: lower-case letters, digits and `-`. */
  state(name: string): Promise<StateStore>;
  locks(): Promise<Locks>;
  search(): Promise<SearchEngine>;
  /** The one database of the process; `Schema` is its tables as kysely wants them. */
  sql<Schema>(): Promise<SqlDatabase<Schema>>;
  configuration(): Promise<ConfigurationStore>;
  secrets(): Promise<SecretStore>;
}

/** `INVALID_CONFIGURATION`, a line for each, when there are URLs that no adapter serves. Opens nothing. */
export function checkBlockUrls(urls: BlockUrls): void {
  const problems = Object.entries(adapters).flatMap(([block, of]: [string, Readonly<Record<string, unknown>>]) => {
    const url = urls[block as keyof BlockUrls];
    try {
      pick(block, of as Adapters<AsyncDisposable>, typeof url === "string" ? url : url.reveal());
      return [];
    } catch (error) {
      return [WeftError.from(error).message];
    }
  });
  if (problems.length > 0) throw new WeftError("INVALID_CONFIGURATION", problems.join("\n"));
}

/** Opens nothing yet: see {@link Blocks}. */
export function openBlocks(options: BlocksOptions): Blocks {
  const { dataDir, urls, stack, env, log = silentLog, clock = systemClock } = options;
  const context = (url: string): OpenContext => ({ url, dataDir, env, log, clock });
  const opened = new Map<string, Promise<AsyncDisposable>>();

  const once = <Block extends AsyncDisposable>(key: string, open: () => Promise<Block>): Promise<Block> => {
    const before = opened.get(key);
    // A key names one type of block: the callers below are all there are.
    if (before !== undefined) return before as Promise<Block>;
    const opening = keep(stack, open);
    opened.set(key, opening);
    opening.catch(() => opened.delete(key));
    return opening;
  };

  const one = <Block extends AsyncDisposable>(block: keyof BlockUrls, of: Adapters<Block>, url: string) =>
    once(block, () => pick(block, of, url)(context(url)));

  return {
    discovery: () => one("discovery", adapters.discovery, urls.discovery),
    pubsub: () => one("pubsub", adapters.pubsub, urls.pubsub),
    state: (name) =>
      once(`state ${name}`, () => pick("state", adapters.state, urls.state)(context(urls.state), storeName(name))),
    locks: () => one("lock", adapters.lock, urls.lock),
    search: () => one("search", adapters.search, urls.search),
    // The schema is the compiler's alone: the object is the same whatever it says.
    sql: <Schema>() => one("sql", adapters.sql, reveal(urls.sql)) as Promise<unknown> as Promise<SqlDatabase<Schema>>,
    configuration: () => one("configuration", adapters.configuration, urls.configuration),
    secrets: () => one("secrets", adapters.secrets, urls.secrets),
  };
}

/** Opens a block and hands it to the stack; a process that began to stop meanwhile gets nothing. */
async function keep<Block extends AsyncDisposable>(
  stack: AsyncDisposableStack,
  open: () => Promise<Block>,
): Promise<Block> {
  const block = await open();
  if (!stack.disposed) return stack.use(block);
  await block[Symbol.asyncDispose]();
  throw new WeftError("DRAINING", "the process is stopping");
}

function reveal(url: string | Secret): string {
  return typeof url === "string" ? url : url.reveal();
}

/** A name that may stand in a file's name and in a key. */
function storeName(name: string): string {
  if (/^[a-z][a-z0-9-]{0,62}$/.test(name)) return name;
  throw new WeftError("INVALID_CONFIGURATION", `a state store can't be called '${name}': use a-z, 0-9 and '-'`);
}
