import { join } from "node:path";
import { openLocks, openPubSub, openSql } from "@weft/blocks";
import { userTopic } from "@weft/contracts/event";
import { runOutboxRelay } from "@weft/outbox";
import { createTokenVerifier } from "@weft/security";
import type { CommonConfig, ServiceHost, ServiceParts } from "@weft/service";
import { metricNames } from "@weft/telemetry";
import { sql } from "kysely";
import { writeAdminToken } from "./app/admin-token.ts";
import { openSigningKeys } from "./app/signing-keys.ts";
import { authService } from "./rpc/auth-service.ts";
import { userService } from "./rpc/user-service.ts";
import type { UserConfig } from "./settings.ts";
import { deleteExpired } from "./store/expired.ts";
import { migrations, type Schema } from "./store/schema.ts";

/** How often rows that ran out are removed, in milliseconds. */
const cleanUpMs = 3_600_000;

type Config = UserConfig & Pick<CommonConfig, "dataDir" | "profile">;
type Host = Pick<
  ServiceHost<Config>,
  "config" | "blocks" | "clock" | "newId" | "log" | "background" | "readiness" | "metrics"
>;

/** The user service out of its building blocks. */
export async function compose({
  config,
  blocks,
  clock,
  newId,
  log,
  background,
  readiness,
  metrics,
}: Host): Promise<ServiceParts> {
  const [database, pubsub, locks] = await Promise.all([openSql<Schema>(blocks), openPubSub(blocks), openLocks(blocks)]);
  const { name, partitions } = userTopic;
  await Promise.all([database.migrate(migrations), pubsub.ensureTopic(name, { partitions })]);

  const users = { database, clock, newId };
  const keys = await openSigningKeys(users);
  const adminTokenFile = config.adminTokenFile ?? defaultAdminTokenFile(config);
  if (adminTokenFile !== undefined) await writeAdminToken({ ...users, keys }, adminTokenFile);

  const count = metrics.counter(metricNames.messagesPublished);
  let retainedBytes = 0;
  metrics.gauge(metricNames.outboxRetained, () => retainedBytes);
  background("outbox relay", (signal) =>
    runOutboxRelay({
      sql: database,
      pubsub,
      locks,
      name: "user-outbox",
      kind: config.outboxRelay,
      onPublished: (events) => count(events),
      onRetained: (bytes) => (retainedBytes = bytes),
      signal,
      log,
      clock,
    }),
  );
  background("clean-up", async (signal) => {
    while (!signal.aborted) {
      await deleteExpired(database, clock.now()).catch((err: unknown) => log.warn({ err }, "old rows stay for now"));
      await clock.sleep(cleanUpMs, signal).catch(() => undefined);
    }
  });
  readiness("sql", async () => void (await sql`select 1`.execute(database.kysely)));

  const { accessTokenMs, refreshTokenMs } = config;
  return {
    services: [userService(users), authService({ ...users, keys, accessTokenMs, refreshTokenMs })],
    tokens: createTokenVerifier({ keys: () => Promise.resolve(keys.publicKeys), clock }),
  };
}

function defaultAdminTokenFile({ profile, dataDir }: Config): string | undefined {
  return profile === "embedded" ? join(dataDir, "admin-token") : undefined;
}
