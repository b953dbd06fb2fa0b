import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServerReflection } from "@weft/contracts/grpc";
import { openEmbeddedDiscovery } from "@weft/discovery-embedded";
import { createClient, openTransport } from "@weft/rpc";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "@weft/sql-postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Bundle, bundle } from "./bundle.ts";

const root = join(import.meta.dirname, "../../..");
const services = ["gateway", "user", "indexer", "search", "notification"] as const;
type Service = (typeof services)[number];
const startLimitMs = 20_000;

let folder: string;
let database: EmbeddedPostgres;
const bundles = new Map<Service, Bundle>();
const running = new Set<ChildProcess>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weft-build-"));
  database = await startEmbeddedPostgres({ dataDir: join(folder, "data") });
  for (const service of services) {
    bundles.set(service, await bundle({ root, app: `apps/${service}`, to: join(folder, service), version: "7.8.9" }));
  }
}, 180_000);

afterAll(async () => {
  for (const child of running) {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  await database[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** Packages and folders of ours that a part of went in. */
function contents(service: Service): string[] {
  return bundles.get(service)?.inputs.map((path) => path.replace(/^.*node_modules\//, "")) ?? [];
}

const vendors = {
  Elasticsearch: /^(libs\/search\/elasticsearch|@elastic\/)/,
  Fastify: /^fastify\//,
  Kafka: /^(libs\/pubsub\/kafka|kafkajs\/)/,
  PostgreSQL: /^(libs\/sql\/|pg\/|kysely\/)/,
  Redis: /^(libs\/redis|ioredis\/)/,
  SMTP: /^nodemailer\//,
  SQLite: /^libs\/sqlite\//,
} as const;

test.each([
  ["gateway", ["Fastify", "Redis", "SQLite"]],
  ["indexer", ["Elasticsearch", "Kafka", "Redis", "SQLite"]],
  ["notification", ["Kafka", "Redis", "SMTP", "SQLite"]],
  ["search", ["Elasticsearch", "Redis", "SQLite"]],
  ["user", ["Kafka", "PostgreSQL", "Redis", "SQLite"]],
] as const)("%s holds the clients of what it uses, and no others: %s", (service, expected) => {
  const files = contents(service);
  const held = Object.entries(vendors).flatMap(([name, pattern]) => (files.some((f) => pattern.test(f)) ? [name] : []));
  expect(held).toEqual(expected);
  expect(files.filter((file) => /\.test\.ts$|^(tools|tests|bench|infra)\//.test(file))).toEqual([]);
});

test("an artefact is scripts, their maps, a manifest and licences", async () => {
  const to = join(folder, "user");
  const entries = await readdir(to, { recursive: true });
  const shape = new Set(entries.map((path) => path.replace(/[\w-]+-[A-Z0-9]{8}\./, "NAME.")));
  expect([...shape].sort()).toEqual(
    ["THIRD_PARTY_LICENCES.txt", "chunks", "chunks/NAME.js", "chunks/NAME.js.map"].concat([
      "main.js",
      "main.js.map",
      "package.json",
    ]),
  );
  expect(JSON.parse(await readFile(join(to, "package.json"), "utf8"))).toEqual({
    name: "@weft/user",
    version: "7.8.9",
    private: true,
    description: expect.any(String),
    license: "Apache-2.0",
    type: "module",
    main: "main.js",
    engines: { node: ">=24" },
  });
  const map = JSON.parse(await readFile(join(to, "main.js.map"), "utf8")) as { sourcesContent?: unknown };
  expect(map.sourcesContent).toBeUndefined();
  const licences = await readFile(join(to, "THIRD_PARTY_LICENCES.txt"), "utf8");
  expect(licences).toMatch(/^pg [\d.]+ \(MIT\)$/m);
  expect(licences).toMatch(/^@grpc\/grpc-js [\d.]+ \(Apache-2\.0\)\n\n\s*Apache License/m);
});

test.each(services)(
  "%s starts where there is nothing but Node, and answers",
  async (service) => {
    const elsewhere = join(folder, `${service}-alone`);
    await mkdir(join(elsewhere, "app"), { recursive: true });
    await cp(join(folder, service), join(elsewhere, "app"), { recursive: true });
    const child = spawn(process.execPath, [join(elsewhere, "app/main.js")], {
      cwd: elsewhere,
      // No PATH, no NODE_PATH: what it needs is in the folder.
      env: { WEFT_DATA_DIR: join(folder, "data"), WEFT_PORT: "0", WEFT_SETTLE_MS: "0" },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    running.add(child);
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (text: Buffer) => (said += text.toString()));
    const [ready] = (await once(child, "message", { signal: AbortSignal.timeout(startLimitMs) }).catch(
      (cause: unknown) => {
        throw new Error(`${service} does not start:\n${said}`, { cause });
      },
    )) as [{ readonly admin: string; readonly grpc: string }];

    const health = await fetch(`http://${ready.admin}/readyz`);
    expect(await health.json()).toMatchObject({ service, status: "ready" });
    await using discovery = await openEmbeddedDiscovery({ dataDir: join(folder, "data") });
    const listed = (await discovery.list()).filter((one) => one.service === service);
    expect(listed.map(({ metadata }) => metadata["version"])).toEqual(["7.8.9"]);
    // By descriptors and protos that other packages read from their folders.
    await using transport = openTransport({ address: ready.grpc });
    const asked = async function* () {
      yield { host: "", messageRequest: { case: "listServices" as const, value: "" } };
    };
    for await (const answer of createClient(ServerReflection, transport).serverReflectionInfo(asked())) {
      expect(JSON.stringify(answer.messageResponse.value)).toContain("grpc.channelz.v1.Channelz");
    }

    child.kill("SIGTERM");
    const [code] = (await once(child, "exit")) as [number | null];
    running.delete(child);
    expect(code, said).toBe(0);
  },
  60_000,
);
