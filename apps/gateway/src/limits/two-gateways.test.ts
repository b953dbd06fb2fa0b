import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEmbeddedConfiguration } from "@weft/configuration-embedded";
import { AuthService } from "@weft/contracts/user";
import { openEmbeddedDiscovery } from "@weft/discovery-embedded";
import { isJsonObject } from "@weft/kit";
import { implement, openServer } from "@weft/rpc";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

// The processes as they are, with a user service that lets everybody in.

const main = join(import.meta.dirname, "../main.ts");
let dataDir: string;
let urls: readonly string[];
const open = new AsyncDisposableStack();

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "weft-gateways-"));
  open.defer(() => rm(dataDir, { recursive: true, force: true }));
  const services = [implement(AuthService, { login: () => ({ accessToken: "t" }) })];
  const server = open.use(await openServer({ host: "127.0.0.1", port: 0, services }));
  for (const name of ["", AuthService.typeName]) server.health.set(name, true);
  const discovery = open.use(await openEmbeddedDiscovery({ dataDir }));
  open.use(await discovery.register({ service: "user", id: "user-1", address: server.address, metadata: {} }));
  urls = await Promise.all([startGateway(), startGateway()]);
}, 120_000);
afterAll(() => open.disposeAsync());

/** A process of the gateway; its URL. */
async function startGateway(): Promise<string> {
  const child: ChildProcess = spawn(process.execPath, [main], {
    cwd: dataDir,
    env: {
      PATH: process.env["PATH"],
      WEFT_DATA_DIR: dataDir,
      WEFT_PORT: "0",
      WEFT_SETTLE_MS: "0",
      WEFT_LOG_LEVEL: "error",
      WEFT_GATEWAY_LIMITS: JSON.stringify({ auth: { address: "100/1h" } }),
    },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const ended = once(child, "exit");
  open.defer(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  const [message] = (await Promise.race([
    once(child, "message"),
    ended.then(() => Promise.reject(new Error("the gateway ended"))),
  ])) as readonly unknown[];
  const listeners = isJsonObject(message) ? message["listeners"] : undefined;
  if (!Array.isArray(listeners)) throw new Error("the gateway does not say where it listens");
  return `http://${String(listeners[0])}`;
}

const login = (url: string): Promise<Response> =>
  fetch(`${url}/api/v1/auth:login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ email: "ada@example.org", password: "long enough" }),
  });

test("two processes share a limit, and change it while they run", async () => {
  const answers: Response[] = [];
  for (let n = 0; n < 80; n += 1) for (const url of urls) answers.push(await login(url));
  const taken = answers.filter(({ status }) => status === 200).length;
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 429]));
  // Two free calls for each; and what a moment of the window gives back.
  expect(taken).toBeGreaterThanOrEqual(85);
  expect(taken).toBeLessThanOrEqual(110);
  const refused = answers.at(-1);
  expect(Number(refused?.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(await refused?.json()).toMatchObject({ reason: "RATE_LIMITED" });

  const configuration = open.use(await openEmbeddedConfiguration({ dataDir }));
  await configuration.set("gateway.limits", JSON.stringify({ auth: { address: "off" } }));
  const isOff = async (): Promise<void> => {
    for (const url of urls) expect((await login(url)).status).toBe(200);
  };
  await vi.waitFor(isOff, { timeout: 30_000, interval: 100 });
}, 120_000);
