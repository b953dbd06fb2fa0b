import { fileURLToPath } from "node:url";
import type { ConfigurationStore } from "@weft/configuration";
import type { Discovery } from "@weft/discovery";
import { type Clock, type Log, Secret, WeftError } from "@weft/kit";
import type { Locks } from "@weft/lock";
import type { PubSub } from "@weft/pubsub";
import type { SearchEngine } from "@weft/search";
import type { SecretStore } from "@weft/secrets";
import type { SqlDatabase } from "@weft/sql";
import type { StateStore } from "@weft/state";

/** What an adapter is opened with. */
export interface OpenContext {
  readonly url: string;
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string | undefined>> | undefined;
  readonly log: Log;
  readonly clock: Clock;
}

type Open<Block, Arguments extends unknown[] = []> = (context: OpenContext, ...rest: Arguments) => Promise<Block>;

/** The adapters of a block by URL scheme. `later`: designed, and not part of this version. */
export type Adapters<Block, Arguments extends unknown[] = []> = Readonly<
  Record<string, Open<Block, Arguments> | "later">
>;

/** Every adapter there is. Only the one that is picked gets imported. To add one: a line here. */
export const adapters: {
  readonly discovery: Adapters<Discovery>;
  readonly pubsub: Adapters<PubSub>;
  readonly state: Adapters<StateStore, [name: string]>;
  readonly lock: Adapters<Locks>;
  readonly search: Adapters<SearchEngine>;
  readonly sql: Adapters<SqlDatabase<never>>;
  readonly configuration: Adapters<ConfigurationStore>;
  readonly secrets: Adapters<SecretStore>;
} = {
  discovery: {
    embedded: async (context) => (await import("@weft/discovery-embedded")).openEmbeddedDiscovery(context),
    consul: "later",
  },
  pubsub: {
    embedded: async (context) => (await import("@weft/pubsub-embedded")).openEmbeddedPubSub(context),
    kafka: "later",
  },
  state: {
    embedded: async ({ dataDir, clock }, name) =>
      (await import("@weft/state-embedded")).openEmbeddedState({ dataDir, name, clock }),
    redis: "later",
  },
  lock: {
    embedded: async (context) => (await import("@weft/lock-embedded")).openEmbeddedLocks(context),
    redis: "later",
    consul: "later",
  },
  search: {
    embedded: async (context) => (await import("@weft/search-embedded")).openEmbeddedSearch(context),
    elasticsearch: "later",
  },
  sql: {
    embedded: async ({ dataDir, log, clock }) => {
      const { embeddedPostgresUrl, openPostgres } = await import("@weft/sql-postgres");
      return openPostgres({ url: await embeddedPostgresUrl(dataDir), log, clock });
    },
    postgres: openPostgresUrl,
    postgresql: openPostgresUrl,
  },
  configuration: {
    embedded: async (context) => (await import("@weft/configuration-embedded")).openEmbeddedConfiguration(context),
    consul: "later",
  },
  secrets: {
    env: async ({ env }) => {
      if (env === undefined) throw new WeftError("INVALID_CONFIGURATION", "this process was given no environment");
      return (await import("@weft/secrets-env")).openEnvSecrets({ env });
    },
    file: async ({ url }) => (await import("@weft/secrets-file")).openFileSecrets({ directory: folderOf(url) }),
  },
};

async function openPostgresUrl({ url, log, clock }: OpenContext): Promise<SqlDatabase<never>> {
  return (await import("@weft/sql-postgres")).openPostgres({ url: new Secret(url), log, clock });
}

function folderOf(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    throw new WeftError("INVALID_CONFIGURATION", "the URL of a folder of secrets looks like file:///run/secrets", {
      cause: error,
    });
  }
}

/** The adapter that the URL's scheme names; `INVALID_CONFIGURATION` when there is none. Never repeats the URL: it may hold a password. */
export function pick<Block, Arguments extends unknown[]>(
  block: string,
  of: Adapters<Block, Arguments>,
  url: string,
): Open<Block, Arguments> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  const known = Object.keys(of).filter((name) => of[name] !== "later");
  const choices = `schemes of this version: ${known.join(", ")}`;
  if (scheme === undefined) {
    throw new WeftError("INVALID_CONFIGURATION", `the ${block} URL has no scheme; ${choices}`);
  }
  const adapter = Object.hasOwn(of, scheme) ? of[scheme] : undefined;
  if (adapter === undefined) {
    throw new WeftError("INVALID_CONFIGURATION", `no ${block} adapter for '${scheme}:'; ${choices}`);
  }
  if (adapter === "later") {
    throw new WeftError("INVALID_CONFIGURATION", `the ${block} adapter for '${scheme}:' is not built yet; ${choices}`);
  }
  return adapter;
}
