import { Random } from "@weft/chaos-tests";
import { errorCode } from "@weft/kit";
import { Callers } from "./callers.ts";
import type { LoadAnswer, LoadOptions, LoadOrder } from "./load.ts";
import { Mix } from "./mix.ts";
import { monotonicMs } from "./monotonic.ts";

// The callers, in a process of their own: what the harness does must not make them late. Orders come one at a time.

const {
  urls,
  token,
  callers: count,
  ids,
  seed,
  name,
  beginMs,
} = JSON.parse(process.env["SURVIVAL_LOAD"] ?? "") as LoadOptions;
const mix = new Mix({ ids, random: new Random(seed), name });
const callers = new Callers({ urls, token, count, mix, now: () => monotonicMs() - beginMs });

process.on("message", (order: LoadOrder) => {
  carryOut(order).then(
    (answer) => process.send?.(answer satisfies LoadAnswer),
    (error: unknown) => process.send?.({ error: errorCode(error) ?? String(error) } satisfies LoadAnswer),
  );
});
// Without the harness there is nobody to tell.
process.on("disconnect", () => process.exit(1));

async function carryOut(order: LoadOrder): Promise<LoadAnswer> {
  switch (order.kind) {
    case "open":
      await callers.open();
      return {};
    case "pace":
      callers.pace(order.perSecond);
      return {};
    case "count":
      callers.count();
      return {};
    case "flood":
      await callers.flood(order.forMs);
      return {};
    case "probe":
      return { perSecond: await callers.probe(order.callers, order.forMs) };
    case "end":
      return { calls: await callers.end() };
  }
}
