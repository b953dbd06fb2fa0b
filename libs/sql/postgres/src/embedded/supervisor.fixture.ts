// Started by server.test.ts, which kills it.
import { startEmbeddedPostgres } from "./server.ts";

const server = await startEmbeddedPostgres({ dataDir: process.argv[2] ?? "" });
console.log(server.pid);
setInterval(() => undefined, 60_000);
