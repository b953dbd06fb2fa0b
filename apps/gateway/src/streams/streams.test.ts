import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { isWeftError, WeftError } from "@weft/kit";
import { IndexerService } from "@weft/contracts/indexer";
import { NotificationService } from "@weft/contracts/notification";
import { SearchService } from "@weft/contracts/search";
import { UserService } from "@weft/contracts/user";
import { within } from "@weft/kit/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openTestEdge, type TestEdge, token } from "../testing/edge.ts";

let edge: TestEdge;
beforeEach(async () => {
  edge = await openTestEdge({
    maxLineBytes: 1024,
    heartbeatMs: 20,
    requestTimeoutMs: 2000,
    maxStreamBytes: 8 * 1024 * 1024,
  });
});
afterEach(() => edge[Symbol.asyncDispose]());

const ndjson = { ...token, "content-type": "application/x-ndjson" };
const importUrl = (): string => `${edge.url}/api/v1/users:import`;

function countingImport(seen: { line: number; name: string | undefined }[] = []): void {
  edge.fake.on(UserService.method.importUsers, async (requests) => {
    for await (const { items } of requests) {
      expect(items.length).toBeLessThanOrEqual(100);
      for (const { line, user } of items) seen.push({ line, name: user?.name });
    }
    return { created: seen.length, failed: 1, errors: [{ line: 2, reason: "ALREADY_EXISTS", detail: "" }] };
  });
}

test("an upload: good lines go on, bad ones are told by their number, in order", async () => {
  const seen: { line: number; name: string | undefined }[] = [];
  countingImport(seen);
  const lines = [
    '{"email":"a@b.org","name":"A"}',
    '{"email":"b@b.org","name":"B"}',
    "",
    "{broken",
    '{"email":"c@b.org","nickname":"C"}\r',
    "[1]",
    `{"email":"${"x".repeat(2000)}"}`,
    '{"email":7}',
    '{"email":"d@b.org","name":"D"}',
  ];
  const response = await fetch(importUrl(), { method: "POST", headers: ndjson, body: lines.join("\n") });
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({
    created: 3,
    skipped: 0,
    failed: 6,
    errors: [
      { line: 2, reason: "ALREADY_EXISTS" },
      { line: 4, reason: "MALFORMED_JSON" },
      { line: 5, reason: "UNKNOWN_FIELD", detail: "unknown field: nickname" },
      { line: 6, reason: "MALFORMED_JSON" },
      { line: 7, reason: "PAYLOAD_TOO_LARGE" },
      { line: 8, reason: "INVALID_ARGUMENT", detail: "email: expected a text" },
    ],
  });
  expect(seen).toEqual([
    { line: 1, name: "A" },
    { line: 2, name: "B" },
    { line: 9, name: "D" },
  ]);
});

test("at most a thousand bad lines are told, all are counted", async () => {
  edge.fake.on(UserService.method.importUsers, async (requests) => {
    for await (const _ of requests);
    return {};
  });
  const response = await fetch(importUrl(), { method: "POST", headers: ndjson, body: "x\n".repeat(1500) });
  const { failed, errors } = (await response.json()) as { failed: number; errors: unknown[] };
  expect([failed, errors.length]).toEqual([1500, 1000]);
});

test("documents go on as they came, and every message says what the path says", async () => {
  const documents: string[] = [];
  edge.fake.on(IndexerService.method.bulkIndex, async (requests) => {
    for await (const { index, items } of requests) {
      expect(index).toBe("packages");
      for (const { line, document } of items) documents.push(`${line} ${Buffer.from(document).toString()}`);
    }
    return { indexed: documents.length };
  });
  const body = '{"id": "g++.zh", "n": 1.50}\r\n\r\n{"id":2}';
  const response = await fetch(`${edge.url}/api/v1/indexes/packages/documents:bulk`, {
    method: "POST",
    headers: ndjson,
    body,
  });
  expect(await response.json()).toEqual({ indexed: 2, failed: 0, errors: [] });
  expect(documents).toEqual(['1 {"id": "g++.zh", "n": 1.50}', '3 {"id":2}']);
});

test("an empty upload is one with nothing in it", async () => {
  const seen: { line: number; name: string | undefined }[] = [];
  countingImport(seen);
  expect((await fetch(importUrl(), { method: "POST", headers: ndjson })).status).toBe(200);
  expect(seen).toEqual([]);
});

/** An upload by hand: what is written when is up to the test. */
function openUpload(): {
  write(text: string): boolean;
  end(): void;
  destroy(): void;
  answer: Promise<[number, string]>;
  drained(): Promise<void>;
} {
  const request = httpRequest(importUrl(), { method: "POST", headers: ndjson });
  const answer = new Promise<[number, string]>((resolve, reject) => {
    request.on("response", (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => resolve([response.statusCode ?? 0, text]));
    });
    request.on("error", reject);
  });
  answer.catch(() => undefined);
  return {
    write: (text) => request.write(text),
    end: () => request.end(),
    destroy: () => request.destroy(),
    drained: () => new Promise((resolve) => request.once("drain", resolve)),
    answer,
  };
}

test("lines go on when they come, not when the upload ends", async () => {
  const seen: { line: number; name: string | undefined }[] = [];
  countingImport(seen);
  const upload = openUpload();
  upload.write('{"name":"A"}\n{"na');
  await expect.poll(() => seen).toEqual([{ line: 1, name: "A" }]);
  upload.write('me":"B"}\n');
  await expect.poll(() => seen.length).toBe(2);
  upload.end();
  expect((await upload.answer)[0]).toBe(200);
});

test("a call that ends early answers at once, while the upload is still open", async () => {
  edge.fake.on(UserService.method.importUsers, async (requests) => {
    for await (const { items } of requests) if (items.length > 0) throw new WeftError("PERMISSION_DENIED", "not you");
    return {};
  });
  const upload = openUpload();
  upload.write('{"name":"A"}\n');
  const [status, text] = await upload.answer;
  expect([status, (JSON.parse(text) as { reason: string }).reason]).toEqual([403, "PERMISSION_DENIED"]);
  upload.destroy();
});

test("an upload that its caller gives up ends the call", async () => {
  const ended = Promise.withResolvers<unknown>();
  edge.fake.on(UserService.method.importUsers, async (requests) => {
    try {
      for await (const _ of requests);
    } catch (error) {
      ended.resolve(error);
      throw error;
    }
    return {};
  });
  const upload = openUpload();
  upload.write('{"name":"A"}\n');
  await expect.poll(() => edge.fake.calls.length).toBe(1);
  upload.destroy();
  expect(isWeftError(await ended.promise, "CANCELLED")).toBe(true);
});

test("an upload is read no faster than it is taken, and has a limit", async () => {
  const release = Promise.withResolvers<void>();
  edge.fake.on(UserService.method.importUsers, async (requests) => {
    await release.promise;
    for await (const _ of requests);
    return {};
  });
  const upload = openUpload();
  const line = `{"bio":"${"x".repeat(1000)}"}\n`.repeat(64);
  let written = 0;
  const limit = 64 * 1024 * 1024;
  // Fills the buffers of both ends and then stands still.
  for (;;) {
    if (written > limit) break;
    written += line.length;
    if (
      !upload.write(line) &&
      (await Promise.race([upload.drained().then(() => "on"), delay(300, "stuck")])) === "stuck"
    )
      break;
  }
  expect(written).toBeLessThan(limit);
  release.resolve();
  while (written < 12 * 1024 * 1024) {
    written += line.length;
    if (!upload.write(line)) await Promise.race([upload.drained(), delay(100)]);
  }
  upload.end();
  const [status, text] = await upload.answer;
  expect([status, (JSON.parse(text) as { reason: string }).reason]).toEqual([413, "PAYLOAD_TOO_LARGE"]);
});

test("a download is one item a line", async () => {
  edge.fake.on(SearchService.method.export, async function* () {
    yield { items: [Buffer.from('{"a":1}'), Buffer.from('{"b":2}')] };
    yield { items: [] };
    yield { items: [Buffer.from('{"c":3}')] };
  });
  const response = await fetch(`${edge.url}/api/v1/search/packages:export`, { headers: token });
  expect(response.headers.get("content-type")).toBe("application/x-ndjson");
  expect(await response.text()).toBe('{"a":1}\n{"b":2}\n{"c":3}\n');
});

test("an error before the first item has its own status, a later one breaks the answer off", async () => {
  edge.fake.on(SearchService.method.export, async function* ({ index }) {
    if (index === "late") yield { items: [Buffer.from("{}")] };
    throw new WeftError("NOT_FOUND", "no such index");
  });
  const early = await fetch(`${edge.url}/api/v1/search/none:export`, { headers: token });
  expect([early.status, await early.json()]).toMatchObject([404, { reason: "NOT_FOUND" }]);
  const late = await fetch(`${edge.url}/api/v1/search/late:export`, { headers: token });
  expect(late.status).toBe(200);
  await expect(late.text()).rejects.toThrow();
});

test("a download is written no faster than it is read, and ends with its reader", async () => {
  let made = 0;
  const ended = Promise.withResolvers<void>();
  edge.fake.on(SearchService.method.export, async function* () {
    try {
      for (; made < 4096; made += 1) yield { items: [Buffer.alloc(64 * 1024, 0x20)] };
    } finally {
      ended.resolve();
    }
  });
  const socket = connect(Number(new URL(edge.url).port), "127.0.0.1");
  socket.pause();
  socket.write(`GET /api/v1/search/x:export HTTP/1.1\r\nhost: x\r\nauthorization: ${token.authorization}\r\n\r\n`);
  await expect.poll(() => made).toBeGreaterThan(0);
  await delay(200);
  expect(made).toBeLessThan(1024);
  socket.destroy();
  await ended.promise;
});

/** Reads an event stream until `enough` says so, or its end. */
async function readEvents(response: Response, enough: (text: string) => boolean): Promise<string> {
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString();
    if (enough(text)) break;
  }
  return text;
}

const watchUrl = (): string => `${edge.url}/api/v1/notifications:watch`;

test("events have id, name and data, resume by Last-Event-ID, and a heartbeat", async () => {
  edge.fake.on(NotificationService.method.watch, async function* ({ eventId }, { signal }) {
    yield { eventId: "e8", notification: { id: eventId, title: "two\nlines" } };
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  });
  const response = await fetch(watchUrl(), { headers: { ...token, "last-event-id": "e7" } });
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  expect(response.headers.get("cache-control")).toBe("no-store");
  const text = await readEvents(response, (so) => so.includes(": still here"));
  const data = /^data: (.*)$/m.exec(text)?.[1] ?? "";
  expect(text).toMatch(/^retry: 1000\n\nid: e8\nevent: notification\ndata: /);
  expect(JSON.parse(data)).toMatchObject({ id: "e7", title: "two\nlines", read: false });
  await expect.poll(() => edge.fake.calls.at(-1)?.options.signal?.aborted).toBe(true);
});

test("an error before the stream is accepted has its own status; a later one is an event, with or without events before it", async () => {
  const quietly = Promise.withResolvers<void>();
  edge.fake.on(NotificationService.method.watch, async function* ({ userId }, context) {
    await delay(300);
    if (userId === "other") throw new WeftError("PERMISSION_DENIED", "not yours");
    context.accept();
    await quietly.promise;
    throw new WeftError("DATA_LOSS", "gone");
  });
  expect((await fetch(`${watchUrl()}?userId=other`, { headers: token })).status).toBe(403);
  const quiet = await fetch(watchUrl(), { headers: token });
  expect(quiet.status).toBe(200);
  quietly.resolve();
  expect(await quiet.text()).toMatch(/event: error\ndata: .*"reason":"DATA_LOSS"/);
});

test("about to stop, it answers all that comes, and connections end with the answers", async () => {
  const begun = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  edge.fake
    .on(NotificationService.method.watch, async function* () {
      yield { eventId: "1" };
      begun.resolve();
      await release.promise;
      yield { eventId: "2" };
    })
    .on(UserService.method.getUser, async () => ({ user: { id: "1" } }));
  const connectionOf = async (path: string): Promise<string | null> => {
    const response = await fetch(`${edge.url}${path}`, { headers: token });
    expect(response.status).toBe(200);
    await response.text();
    return response.headers.get("connection");
  };
  expect(await connectionOf("/api/v1/users/1")).toBe("keep-alive");
  const events = await fetch(watchUrl(), { headers: token });
  await begun.promise;
  edge.edge.leave?.();
  for (const path of ["/api/v1/users/1", "/api/v1/users/1", "/docs"]) expect(await connectionOf(path)).toBe("close");
  release.resolve();
  expect(await events.text()).toContain("id: 2");
});

test("draining ends event streams cleanly and lets calls in flight finish", async () => {
  const release = Promise.withResolvers<void>();
  edge.fake
    .on(NotificationService.method.watch, async function* (_, { signal }) {
      yield { eventId: "1" };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    })
    .on(UserService.method.getUser, async () => {
      await release.promise;
      return { user: { id: "1" } };
    });
  const events = await fetch(watchUrl(), { headers: token });
  const call = fetch(`${edge.url}/api/v1/users/1`, { headers: token });
  await expect.poll(() => edge.fake.calls.length).toBe(2);
  const drained = edge.edge.drain(AbortSignal.timeout(5000));
  expect(await events.text()).not.toContain("event: error");
  await expect(fetch(`${edge.url}/api/v1/users/1`, { headers: token })).rejects.toThrow();
  release.resolve();
  const response = await call;
  expect([response.status, response.headers.get("connection")]).toEqual([200, "close"]);
  await response.text();
  await drained;
});

test("a drain waits for nobody who says nothing, and for those who are answered", async () => {
  const release = Promise.withResolvers<void>();
  edge.fake.on(UserService.method.getUser, async () => {
    await release.promise;
    return { user: { id: "1" } };
  });
  const { hostname, port } = new URL(edge.url);
  const silent = ["", "GET /docs HTTP/1.1\r\nhost: x\r\n"].map((text) => {
    const socket = connect(Number(port), hostname);
    socket.write(text);
    return {
      socket,
      closed: once(
        socket.on("error", () => undefined),
        "close",
      ),
    };
  });
  const call = fetch(`${edge.url}/api/v1/users/1`, { headers: token });
  await within(10_000, "the call", () => edge.fake.calls.length === 1);
  const drained = edge.edge.drain(new AbortController().signal);
  await Promise.all(silent.map(({ closed }) => closed));
  release.resolve();
  const response = await call;
  expect(response.status).toBe(200);
  await response.text();
  await drained;
});

test("a drain that takes too long cuts what is left", async () => {
  edge.fake.on(UserService.method.getUser, () => new Promise(() => {}));
  const call = fetch(`${edge.url}/api/v1/users/1`, { headers: token });
  call.catch(() => undefined);
  await expect.poll(() => edge.fake.calls.length).toBe(1);
  await edge.edge.drain(AbortSignal.timeout(50));
  await expect(call).rejects.toThrow();
});

test("a port in use is one clear line", async () => {
  await expect(openTestEdge({ port: Number(new URL(edge.url).port) })).rejects.toThrow(
    /^127\.0\.0\.1:\d+ is in use: another process listens there; set WEFT_PORT to another port$/,
  );
});
