import { implement, openServer } from "../index.ts";
import { EchoService } from "./echo.ts";
import { aborted } from "./harness.ts";

/** Answers once for a 1, is accepted at once, and then says nothing. */
async function* quiet({ number }: { number: number }, context: { signal: AbortSignal; accept(): void }) {
  if (number === 1) yield { text: "child" };
  context.accept();
  await aborted(context.signal);
}

// A replica in a process of its own, for tests that kill it. It ends with its parent.
const server = await openServer({
  host: "127.0.0.1",
  port: 0,
  services: [
    implement(EchoService, {
      say: () => ({ text: "child" }),
      missing: () => ({ text: "child" }),
      async *count() {
        yield { text: "child" };
      },
      watch: quiet,
      async *chat(requests) {
        for await (const _ of requests) yield { text: "child" };
      },
    }),
  ],
});
server.health.set("", true);
process.once("disconnect", () => process.exit(0));
process.send?.(server.address);
