// Started by servers.stack.test.ts, which kills it.
import { serverNames, startServer } from "./index.ts";

const [, , word, dir = ""] = process.argv;
const name = serverNames.find((known) => known === word);
if (name === undefined) throw new Error("usage: owner.fixture.ts SERVER FOLDER");
const server = await startServer(name, { dir });
console.log(server.pid);
setInterval(() => undefined, 60_000);
