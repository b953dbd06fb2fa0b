import { join } from "node:path";
import { openTestNamespace } from "@weft/consul/testing";
import { newUuid, Secret } from "@weft/kit";
import { startProcess, type TestProcess, within } from "@weft/kit/testing";
import type { Locks } from "@weft/lock";
import { describeBackend } from "@weft/native/testing";
import { expect, test } from "vitest";
import { openConsulLocks } from "./index.ts";

describeBackend("consul", (server) => {
  const urlOf = (): string => `${server().url}?namespace=t${newUuid().slice(-12)}`;
  const open = (url: string): Promise<Locks> => openConsulLocks({ url: new Secret(url) });

  const acquireElsewhere = (url: string, then = ""): Promise<TestProcess> =>
    startProcess(`
      import { Secret } from "@weft/kit";
      import { openConsulLocks } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
      const locks = await openConsulLocks({ url: new Secret(${JSON.stringify(url)}) });
      const lease = await locks.acquire("job", { ttlMs: 1000 });
      ${then}
    `);

  test("L3 a dead holder whom nobody watched is gone with its session, for one who looks once", async () => {
    const url = urlOf();
    await using elsewhere = await acquireElsewhere(url);
    await elsewhere.kill();
    const looksOnce = async (): Promise<boolean> => {
      await using locks = await open(url);
      await new Promise((resolve) => setTimeout(resolve, 500));
      return (await locks.acquire("job")) !== undefined;
    };
    expect(await looksOnce()).toBe(false);
    await within(30_000, "the lock is free", looksOnce);
  });

  test("L4 a holder that was stopped for longer than its TTL sees lost as soon as it goes on", async () => {
    const url = urlOf();
    await using holder = await acquireElsewhere(
      url,
      // It waits: the test looks by taking the lock for a moment.
      'lease.lost.addEventListener("abort", () => void locks.acquire("lost was seen", { ttlMs: 60_000, waitMs: 30_000 }));',
    );
    await using locks = await open(url);
    holder.signal("SIGSTOP");
    const next = await locks.acquire("job", { ttlMs: 60_000, waitMs: 10_000 });
    expect(next).toBeDefined();
    holder.signal("SIGCONT");
    await within(10_000, "lost", async () => {
      const seen = await locks.acquire("lost was seen");
      await seen?.release();
      return seen === undefined;
    });
    expect(next?.lost.aborted).toBe(false);
  });

  test("L1 a lease outlives the end of its agent, and another's try right after it", async () => {
    await using stack = new AsyncDisposableStack();
    const url = urlOf();
    const locks = stack.use(await open(url));
    const lease = await locks.acquire("job", { ttlMs: 8000 });
    await server().kill();
    await server().start();
    const other = stack.use(await open(url));
    expect(await other.acquire("job", { waitMs: 2000 })).toBeUndefined();
    expect(lease?.lost.aborted).toBe(false);
    await lease?.release();
    const next = await other.acquire("job", { waitMs: 1000 });
    expect(next?.token).toBeGreaterThan(lease?.token ?? 0n);
  });

  test("L7 holders hear of a close at once, whoever else still waits for a lock", async () => {
    await using stack = new AsyncDisposableStack();
    const url = urlOf();
    const locks = stack.use(await open(url));
    const lease = await locks.acquire("job");
    const waiting = locks.acquire("job", { waitMs: 30_000 });
    waiting.catch(() => undefined);
    const closing = locks[Symbol.asyncDispose]();
    expect(lease?.lost.aborted).toBe(true);
    await closing;
    await expect(waiting).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  });

  test("L1 a session that was ended under its holder closes the lock until the holder knows", async () => {
    await using stack = new AsyncDisposableStack();
    const { url, proxy } = stack.use(await openTestNamespace(server().port));
    const locks = stack.use(await open(url));
    const lease = await locks.acquire("job", { ttlMs: 3000 });
    const direct = new Secret(url.replace(/:\d+\?/, `:${server().port}?`));
    const other = stack.use(await openConsulLocks({ url: direct }));
    // As when the agent's node leaves the cluster, while its holder can't be told.
    await proxy.stall();
    await endSessions(server().port, url);
    const next = await other.acquire("job", { waitMs: 15_000 });
    expect(next).toBeDefined();
    expect(lease?.lost.aborted).toBe(true);
    await proxy.restore();
  });
});

/** Ends every session of a namespace, behind its holders' backs. */
async function endSessions(port: number, url: string): Promise<void> {
  const api = `http://127.0.0.1:${port}/v1/session`;
  const sessions = (await (await fetch(`${api}/list`)).json()) as { ID: string; Name: string }[];
  const namespace = new URL(url).searchParams.get("namespace") ?? "";
  for (const { ID: id, Name: name } of sessions) {
    if (name.startsWith(`${namespace} `)) await fetch(`${api}/destroy/${id}`, { method: "PUT" });
  }
}
