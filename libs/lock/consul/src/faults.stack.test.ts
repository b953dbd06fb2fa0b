import { lockOperations } from "@weft/lock/conformance";
import { openTestNamespace } from "@weft/consul/testing";
import { Secret } from "@weft/kit";
import { describeFaults } from "@weft/kit/testing";
import { describeBackend } from "@weft/native/testing";
import { openConsulLocks } from "./index.ts";

describeBackend("consul", (server) => {
  const open = async () => {
    const stack = new AsyncDisposableStack();
    const { url, proxy } = stack.use(await openTestNamespace(server().port));
    const block = stack.use(await openConsulLocks({ url: new Secret(url) }));
    return { block, proxy, server: server(), [Symbol.asyncDispose]: () => stack.disposeAsync() };
  };
  // Its store has no limit but the disk.
  describeFaults("locks: consul", lockOperations, open, { canBeFull: false });
});
