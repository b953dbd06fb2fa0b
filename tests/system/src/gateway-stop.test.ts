import { spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, get } from "node:http";
import { Socket } from "node:net";
import { join } from "node:path";
import { freePort } from "@weft/native";
import { expect, test } from "vitest";
import { cleanEnvironment, startMesh, until } from "./mesh.ts";

const program = join(import.meta.dirname, "../../../apps/gateway/src/main.ts");
const callers = 20;

/** One request over a connection that is kept; `close` when the gateway wants no other on it. */
function request(agent: Agent, port: number, token: string): Promise<"next" | "close"> {
  const { promise, resolve, reject } = Promise.withResolvers<"next" | "close">();
  const headers = { authorization: `Bearer ${token}` };
  const asked = get({ agent, host: "127.0.0.1", port, path: "/api/v1/users?pageSize=1", headers }, (response) => {
    const { statusCode } = response;
    response.resume().once("error", reject);
    response.once("end", () => {
      if (statusCode !== 200) reject(new Error(`it answered ${statusCode}`));
      else resolve(response.headers.connection === "close" ? "close" : "next");
    });
  });
  asked.once("error", reject);
  return promise;
}

test("a gateway that stops loses no request of those that keep their connections, and waits for no other", async () => {
  await using mesh = await startMesh();
  const port = await freePort();
  const gateway = spawn(process.execPath, [program], {
    // Longer than a busy machine keeps a caller from its next request.
    env: { ...cleanEnvironment(), ...mesh.env, WEFT_PORT: String(port), WEFT_SETTLE_MS: "5000" },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const ended = once(gateway, "exit");
  const silent = new Socket().on("error", () => undefined);
  const agents = Array.from({ length: callers }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  try {
    await once(gateway, "message");
    silent.connect(port, "127.0.0.1");
    let answered = 0;
    const call = async (agent: Agent): Promise<void> => {
      // Then a load balancer would go elsewhere.
      while ((await request(agent, port, mesh.token)) !== "close") answered += 1;
    };
    const calling = Promise.allSettled(agents.map(call));
    await until(() => answered > 5 * callers, { what: "calls" });
    gateway.kill("SIGTERM");
    const outcomes = await calling;
    expect(outcomes.flatMap((one) => (one.status === "rejected" ? [String(one.reason)] : []))).toEqual([]);
    expect((await ended)[0]).toBe(0);
  } finally {
    silent.destroy();
    for (const agent of agents) agent.destroy();
    gateway.kill("SIGKILL");
    await ended;
  }
});
