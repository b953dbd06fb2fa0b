import { describeBackend } from "@weft/native/testing";
import { ownNamespace } from "@weft/redis/testing";
import { openRedisState } from "@weft/state-redis";
import { describeConsumer } from "./conformance/index.ts";
import { stateConsumers } from "./state.fixture.ts";

describeBackend("redis", (server) => {
  describeConsumer("an inbox in state on redis", async () => {
    const url = ownNamespace(server().url);
    const stack = new AsyncDisposableStack();
    const open = async () => stack.use(await openRedisState({ url, name: "test" }));
    return {
      consumers: stateConsumers([await open(), await open()]),
      // Expiry is the embedded store's test: here time passes by itself, and nothing is forgotten meanwhile.
      pass: async () => undefined,
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  });
});
