// A relay by itself, so that its memory can be told; says how much it has published.
import { Secret, systemClock } from "@weft/kit";
import { openEmbeddedLocks } from "@weft/lock-embedded";
import { runOutboxRelay } from "@weft/outbox";
import { openKafkaPubSub } from "@weft/pubsub-kafka";
import { openPostgres } from "@weft/sql-postgres";

const [kind, sqlUrl = "", kafkaUrl = "", dataDir = ""] = process.argv.slice(2);
const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());
process.on("disconnect", () => stop.abort());

await using stack = new AsyncDisposableStack();
const sql = stack.use(await openPostgres<unknown>({ url: new Secret(sqlUrl) }));
const pubsub = stack.use(await openKafkaPubSub({ url: new Secret(kafkaUrl) }));
const locks = stack.use(await openEmbeddedLocks({ dataDir }));
process.send?.({ address: "ready" });

let published = 0;
await runOutboxRelay({
  sql,
  pubsub,
  locks,
  kind: kind === "replication" ? "replication" : "table",
  signal: stop.signal,
  clock: systemClock,
  onPublished: (events) => process.send?.({ published: (published += events) }),
});
process.disconnect();
