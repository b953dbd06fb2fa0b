import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Kafka, logLevel } from "kafkajs";
import { Client } from "pg";
import { expect, test } from "vitest";
import { within } from "@weft/kit/testing";
import { type NativeServer, probeServer, type ServerName, serverNames } from "./index.ts";
import { exchange } from "./probe.ts";
import { describeBackend } from "./testing.ts";

/** Puts something into a server, and looks whether it is there. */
const stores: Record<
  ServerName,
  { write(server: NativeServer): Promise<void>; read(server: NativeServer): Promise<unknown> }
> = {
  consul: {
    write: ({ port }) => http(port, "PUT", "/v1/kv/kept", "kept"),
    read: async ({ port }) => (await fetch(`http://127.0.0.1:${port}/v1/kv/kept?raw`)).text(),
  },
  elasticsearch: {
    write: ({ port }) => http(port, "PUT", "/things/_doc/1", '{"value":"kept"}'),
    read: async ({ port }) => (await fetch(`http://127.0.0.1:${port}/things/_source/1`)).text(),
  },
  kafka: {
    write: async (server) => {
      const kafka = clientOf(server);
      const [admin, producer] = [kafka.admin(), kafka.producer()];
      await Promise.all([admin.connect(), producer.connect()]);
      await admin.createTopics({ topics: [{ topic: "things", numPartitions: 1 }], waitForLeaders: true });
      await producer.send({ topic: "things", messages: [{ value: "kept" }] });
      await Promise.all([admin.disconnect(), producer.disconnect()]);
    },
    read: async (server) => {
      const consumer = clientOf(server).consumer({ groupId: `readers-${server.pid}` });
      await consumer.connect();
      await consumer.subscribe({ topic: "things", fromBeginning: true });
      // It tries again by itself while the group's coordinator is loading.
      const value = await new Promise((resolve) => {
        void consumer.run({ eachMessage: async ({ message }) => resolve(message.value?.toString()) });
      });
      await consumer.disconnect();
      return value;
    },
  },
  postgres: {
    write: (server) =>
      sql(server, "create table things (value text); insert into things values ('kept')").then(() => undefined),
    read: (server) => sql(server, "select value from things"),
  },
  redis: {
    write: async ({ port }) => void (await exchange(port, Buffer.from("SET kept kept\r\n"), AbortSignal.timeout(5000))),
    read: async ({ port }) => (await exchange(port, Buffer.from("GET kept\r\n"), AbortSignal.timeout(5000))).toString(),
  },
};

for (const name of serverNames) {
  describeBackend(name, (server) => {
    test("data survive a kill and a stop; both leave no process behind", { timeout: 180_000 }, async () => {
      const { port, url, pid } = server();
      await stores[name].write(server());
      await server().kill();
      await expect(probeServer(name, port)).rejects.toMatchObject({ reason: "UNAVAILABLE" });
      expect(isRunning(pid)).toBe(false);
      await server().start();
      expect(JSON.stringify(await stores[name].read(server()))).toContain("kept");
      expect(server()).toMatchObject({ port, url });

      const again = server().pid;
      await server().stop();
      expect(isRunning(again)).toBe(false);
    });

    test.runIf(process.platform === "linux")(
      "it does not outlive the process that started it",
      { timeout: 180_000 },
      async () => {
        const dir = await mkdtemp(join(tmpdir(), `weft-${name}-`));
        const child = spawn(process.execPath, [join(import.meta.dirname, "owner.fixture.ts"), name, dir], {
          stdio: ["ignore", "pipe", "inherit"],
        });
        try {
          const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
          child.kill("SIGKILL");
          await within(30_000, `${name} ended`, () => !isRunning(Number(line)));
        } finally {
          child.kill("SIGKILL");
          await rm(dir, { recursive: true, force: true, maxRetries: 5 });
        }
      },
    );
  });
}

async function http(port: number, method: string, path: string, body: string): Promise<void> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers, body });
  expect(response.ok).toBe(true);
  await response.arrayBuffer();
}

function clientOf({ port }: NativeServer): Kafka {
  return new Kafka({ brokers: [`127.0.0.1:${port}`], logLevel: logLevel.NOTHING });
}

async function sql({ url }: NativeServer, text: string): Promise<unknown> {
  const client = new Client({ connectionString: url });
  await client.connect();
  return (await client.query<object>(text).finally(() => client.end())).rows;
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
