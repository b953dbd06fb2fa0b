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

/** The adapters of a block by URL scheme. */
export type Adapters<Block, Arguments extends unknown[] = []> = Readonly<Record<string, Open<Block, Arguments>>>;

// Every adapter there is, a table for each block, so that a bundle holds those of the blocks that it opens. Only the one
// that is picked gets imported. To add one: a line here.

export const discoveryAdapters: Adapters<Discovery> = {
  embedded: async (context) => (await import("@weft/discovery-embedded")).openEmbeddedDiscovery(context),
  consul: async ({ url, log, clock }) =>
    (await import("@weft/discovery-consul")).openConsulDiscovery({ url: new Secret(url), log, clock }),
};

export const pubsubAdapters: Adapters<PubSub> = {
  embedded: async (context) => (await import("@weft/pubsub-embedded")).openEmbeddedPubSub(context),
  kafka: async ({ url, log, clock }) =>
    (await import("@weft/pubsub-kafka")).openKafkaPubSub({ url: new Secret(url), log, clock }),
};

export const stateAdapters: Adapters<StateStore, [name: string]> = {
  embedded: async ({ dataDir, clock }, name) =>
    (await import("@weft/state-embedded")).openEmbeddedState({ dataDir, name, clock }),
  redis: openRedisStateUrl,
  rediss: openRedisStateUrl,
};

export const lockAdapters: Adapters<Locks> = {
  embedded: async (context) => (await import("@weft/lock-embedded")).openEmbeddedLocks(context),
  redis: openRedisLocksUrl,
  rediss: openRedisLocksUrl,
  consul: async ({ url, log, clock }) =>
    (await import("@weft/lock-consul")).openConsulLocks({ url: new Secret(url), log, clock }),
};

export const searchAdapters: Adapters<SearchEngine> = {
  embedded: async (context) => (await import("@weft/search-embedded")).openEmbeddedSearch(context),
  elasticsearch: openElasticsearchUrl,
};

export const sqlAdapters: Adapters<SqlDatabase<never>> = {
  embedded: async ({ dataDir, log, clock }) => {
    const { embeddedPostgresUrl, openPostgres } = await import("@weft/sql-postgres");
    return openPostgres({ url: await embeddedPostgresUrl(dataDir), log, clock });
  },
  postgres: openPostgresUrl,
  postgresql: openPostgresUrl,
};

export const configurationAdapters: Adapters<ConfigurationStore> = {
  embedded: async (context) => (await import("@weft/configuration-embedded")).openEmbeddedConfiguration(context),
  consul: async ({ url, log, clock }) =>
    (await import("@weft/configuration-consul")).openConsulConfiguration({ url: new Secret(url), log, clock }),
};

export const secretsAdapters: Adapters<SecretStore> = {
  env: async ({ env }) => {
    if (env === undefined) throw new WeftError("INVALID_CONFIGURATION", "this process was given no environment");
    return (await import("@weft/secrets-env")).openEnvSecrets({ env });
  },
  file: async ({ url }) => (await import("@weft/secrets-file")).openFileSecrets({ directory: folderOf(url) }),
};

async function openRedisStateUrl({ url, log, clock }: OpenContext, name: string): Promise<StateStore> {
  return (await import("@weft/state-redis")).openRedisState({ url: new Secret(url), name, log, clock });
}

async function openRedisLocksUrl({ url, log, clock }: OpenContext): Promise<Locks> {
  return (await import("@weft/lock-redis")).openRedisLocks({ url: new Secret(url), log, clock });
}

async function openPostgresUrl({ url, log, clock }: OpenContext): Promise<SqlDatabase<never>> {
  return (await import("@weft/sql-postgres")).openPostgres({ url: new Secret(url), log, clock });
}

async function openElasticsearchUrl({ url, log, clock }: OpenContext): Promise<SearchEngine> {
  return (await import("@weft/search-elasticsearch")).openElasticsearch({ url: new Secret(url), log, clock });
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
export function pick<Adapter>(block: string, of: Readonly<Record<string, Adapter>>, url: string): Adapter {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  const choices = `schemes of this version: ${Object.keys(of).join(", ")}`;
  if (scheme === undefined) {
    throw new WeftError("INVALID_CONFIGURATION", `the ${block} URL has no scheme; ${choices}`);
  }
  const adapter = Object.hasOwn(of, scheme) ? of[scheme] : undefined;
  if (adapter === undefined) {
    throw new WeftError("INVALID_CONFIGURATION", `no ${block} adapter for '${scheme}:'; ${choices}`);
  }
  return adapter;
}
