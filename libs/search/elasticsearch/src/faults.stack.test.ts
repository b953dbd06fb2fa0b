import { describeFaults, type FaultyServer, openProxy, within } from "@weft/kit/testing";
import type { NativeServer } from "@weft/native";
import { describeBackend } from "@weft/native/testing";
import { searchOperations } from "@weft/search/conformance";
import { openFixture } from "./fixture.ts";

/** How often Elasticsearch looks at its disk; it takes no less. */
const look = { "cluster.info.update.interval": "10s" };

describeBackend(
  "elasticsearch",
  (server) => {
    describeFaults("elasticsearch, faults", searchOperations, async () => {
      await using stack = new AsyncDisposableStack();
      const proxy = stack.use(await openProxy(server().port));
      const fixture = stack.use(await openFixture(server().port, proxy.port));
      const block = await fixture.open();
      const kept = stack.move();
      return { block, proxy, server: faulty(server()), [Symbol.asyncDispose]: () => kept.disposeAsync() };
    });
  },
  { settings: { ...look, "cluster.routing.allocation.disk.threshold_enabled": "true" } },
);

function faulty(server: NativeServer): FaultyServer {
  const request = async (path: string, body?: object): Promise<string> => {
    const sent = body === undefined ? {} : { method: "PUT", body: JSON.stringify(body) };
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers, ...sent });
    return answer.text();
  };
  // A disk counts as full when less than this is left on it.
  const setWatermarks = (left: string | null): Promise<string> =>
    request("/_cluster/settings", {
      persistent: Object.fromEntries(
        ["low", "high", "flood_stage"].map((name) => [`cluster.routing.allocation.disk.watermark.${name}`, left]),
      ),
    });
  const isBlocked = async (): Promise<boolean> => (await request("/*/_settings")).includes("read_only_allow_delete");
  return {
    kill: () => server.kill(),
    start: () => server.start(),
    fill: async () => {
      await setWatermarks("1000tb");
      await within(45_000, "Elasticsearch finds its disk full", isBlocked);
      return {
        empty: async () => {
          await setWatermarks(null);
          await within(45_000, "Elasticsearch finds room on its disk", async () => !(await isBlocked()));
        },
      };
    },
  };
}
