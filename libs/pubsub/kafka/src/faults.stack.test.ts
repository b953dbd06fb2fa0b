import { Secret } from "@weft/kit";
import { describeFaults, type FaultFixture, openProxy } from "@weft/kit/testing";
import { freePorts } from "@weft/native";
import { describeBackend } from "@weft/native/testing";
import type { PubSub } from "@weft/pubsub";
import { pubsubOperations } from "@weft/pubsub/conformance";
import { brokerSettings, freshUrl } from "./fixture.ts";
import { openKafkaPubSub } from "./index.ts";

// Clients go where the broker says that it is: so it has to know of the proxy from the start.
const [port = 0, proxied = 0] = await freePorts(2);
const settings = { ...brokerSettings, "advertised.listeners": `PLAINTEXT://127.0.0.1:${proxied}` };

describeBackend(
  "kafka",
  (server) => {
    const open = async (): Promise<FaultFixture<PubSub>> => {
      const stack = new AsyncDisposableStack();
      const proxy = stack.use(await openProxy(port, proxied));
      const url = new Secret(freshUrl(`kafka://127.0.0.1:${proxied}`));
      const block = stack.use(await openKafkaPubSub({ url }));
      return { block, proxy, server: server(), [Symbol.asyncDispose]: () => stack.disposeAsync() };
    };
    // A broker whose disk is full takes the log folder out of service, and its process ends when that was the last one:
    // there is nothing between well and killed.
    describeFaults("pubsub: kafka", pubsubOperations, open, { canBeFull: false });
  },
  { port, settings },
);
