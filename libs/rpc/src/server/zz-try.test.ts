import { once } from "node:events";
import { connect, constants } from "node:http2";
import { expect, test } from "vitest";
import { createClient } from "../index.ts";
import { EchoService } from "../testing/echo.ts";
import { openEcho, until } from "../testing/harness.ts";
const full = { concurrency: { minLimit: 0, maxLimit: 0 } } as const;
const say = "/weft.test.v1.EchoService/Say";
const sum = "/weft.test.v1.EchoService/Sum";
const spin = (ms: number) => { for (const end = performance.now() + ms; performance.now() < end;); };
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

for (const overload of [full, {}]) for (const path of [say, sum]) for (const code of [constants.NGHTTP2_CANCEL, constants.NGHTTP2_INTERNAL_ERROR, constants.NGHTTP2_PROTOCOL_ERROR])
test(`reset ${code} at once ${path} ${JSON.stringify(overload)}`, async () => {
  const bad: unknown[] = [];
  const onBad = (error: unknown) => void bad.push(error);
  process.on("uncaughtException", onBad);
  await using echo = await openEcho({ say: () => sleep(50).then(() => ({})) }, { overload });
  const session = connect(`http://${echo.server.address}`);
  session.on("error", () => undefined);
  await once(session, "connect");
  session.socket.cork();
  for (let i = 0; i < 50; i += 1) {
    const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" });
    stream.on("error", () => undefined);
    stream.write(Buffer.alloc(5));
    stream.close(code);
  }
  setImmediate(() => setImmediate(() => session.socket.uncork()));
  await sleep(500);
  await until(() => echo.server.stats.inFlight === 0);
  session.destroy();
  process.off("uncaughtException", onBad);
  expect(bad).toEqual([]);
});

for (const [name, cpu, wait, callers] of [["a", 0.2, 20, 30], ["b", 3, 20, 30], ["c", 5, 0, 20], ["d", 20, 0, 20],["e", 20, 0, 8]] as const)
test(`stalls ${name} cpu ${cpu} wait ${wait} callers ${callers}`, async () => {
  await using echo = await openEcho({ say: async () => { spin(cpu); if (wait > 0) await sleep(wait); return {}; } });
  const client = createClient(EchoService, echo.transport);
  let failed: Record<string, number> = {}; let ok = 0; let low = Infinity;
  const end = performance.now() + 9_000;
  const stalls = (async () => { for (let at = 0; at < 4; at += 1) { await sleep(1_500); spin(1_500); await sleep(100); spin(700); } })();
  await Promise.all(Array.from({ length: callers }, async () => {
    while (performance.now() < end) {
      low = Math.min(low, echo.server.stats.limit);
      await client.say({}, { timeoutMs: 10_000 }).then(() => ok++, (error) => { failed[error.reason] = (failed[error.reason] ?? 0) + 1; });
    }
  }));
  await stalls;
  console.log(name, { cpu, wait, callers, ok, failed, shed: echo.server.stats.shed, low });
}, 40_000);
