import { expect, test } from "vitest";
import { openProxy } from "@weft/kit/testing";
import { describeBackend } from "@weft/native/testing";
import { callTo, useProcesses } from "./testing/process.ts";

describeBackend("consul", (server) => {
  const processes = useProcesses();

  test("a registry that answers nothing holds up no stop, and costs no call in flight", async () => {
    await using proxy = await openProxy(server().port);
    const service = processes.start({ WEFT_DISCOVERY: `consul://127.0.0.1:${proxy.port}` });
    const { grpc } = await service.ready;
    await using caller = callTo(grpc);
    await proxy.stall();
    // A beat is under way from now on nearly all the time, and a process that leaves waits for it.
    await service.says("heartbeats fail; they will be tried on");
    const answer = caller.login(3500);
    await service.says("trace call begins");
    service.child.kill("SIGTERM");
    expect((await answer).accessToken).toBe("a");
    expect(await service.exit).toBe(0);
    expect(service.messages).toContain("trace background ends");
    expect(service.messages.at(-1)).toBe("stopped");
  });
});
