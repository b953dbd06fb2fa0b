import { implement, openServer } from "../index.ts";
import { EchoService } from "./echo.ts";

// A replica in a process of its own, for tests that kill it. It ends with its parent.
const server = await openServer({
  host: "127.0.0.1",
  port: 0,
  services: [implement(EchoService, { say: () => ({ text: "child" }), missing: () => ({ text: "child" }) })],
});
server.health.set("", true);
process.once("disconnect", () => process.exit(0));
process.send?.(server.address);
