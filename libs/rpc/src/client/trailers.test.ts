import { create, toBinary } from "@bufbuild/protobuf";
import { Metadata, type ServerDuplexStream } from "@grpc/grpc-js";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema, StatusSchema } from "@weft/contracts/google";
import { isReason, reasons, WeftError } from "@weft/kit";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createClient, type MeshTransport, openTransport } from "../index.ts";
import { type Answer, openBare } from "../testing/bare.ts";
import { EchoSchema, EchoService } from "../testing/echo.ts";
import { until } from "../testing/harness.ts";
import { openReplicas } from "../testing/replicas.ts";
import { degradedKey } from "../wire/degraded.ts";
import { resetsKey } from "../wire/resets.ts";
import { errorDomain, refusedKey, statusOf } from "../wire/status.ts";

/** How a foreign server ends a call: gRPC's own trailers may be overwritten, too. */
interface End {
  readonly code: number;
  readonly details: string;
  readonly trailers: Readonly<Record<string, string>>;
  readonly binary: Uint8Array | undefined;
  /** Response messages before that. */
  readonly messages: readonly Uint8Array[];
}

/** Not that it stops, which is believed: nobody else would be there. */
const told = Object.keys(reasons).filter((reason) => reason !== "DRAINING");

/** Seconds of a `Duration`, far beyond what one may have. */
const seconds = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.constant(2n ** 63n - 1n));

const detail = fc.oneof(
  fc
    .record({
      reason: fc.oneof(fc.constantFrom(...told, "__proto__", "toString"), fc.string()),
      domain: fc.constantFrom(errorDomain, errorDomain, "example.org"),
      metadata: fc.dictionary(fc.oneof(fc.string(), fc.constant("__proto__")), fc.string()),
    })
    .map((info) => ["google.rpc.ErrorInfo", toBinary(ErrorInfoSchema, create(ErrorInfoSchema, info))] as const),
  fc
    .array(fc.record({ field: fc.string(), description: fc.string() }), { maxLength: 3 })
    .map((fieldViolations) => create(BadRequestSchema, { fieldViolations }))
    .map((bad) => ["google.rpc.BadRequest", toBinary(BadRequestSchema, bad)] as const),
  fc
    .record({ seconds, nanos: fc.integer() })
    .map((retryDelay) => create(RetryInfoSchema, { retryDelay }))
    .map((retry) => ["google.rpc.RetryInfo", toBinary(RetryInfoSchema, retry)] as const),
);

/** Bytes of which some may be missing, or other ones. */
const damaged = (bytes: Uint8Array): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    fc.constant(bytes),
    fc.nat(bytes.length).map((length) => bytes.subarray(0, length)),
    fc
      .tuple(fc.nat(bytes.length), fc.nat(255))
      .map(([at, byte]) => bytes.map((old, position) => (position === at ? byte : old))),
    fc.uint8Array({ maxLength: 40 }),
  );

const anyDetail = detail.chain(([name, bytes]) =>
  fc.record({
    typeUrl: fc.oneof(
      { weight: 8, arbitrary: fc.constant(`type.googleapis.com/${name}`) },
      { weight: 1, arbitrary: fc.constantFrom("", "/", name, "google.rpc.") },
    ),
    value: damaged(bytes),
  }),
);

const statusBytes = fc
  .array(anyDetail, { maxLength: 4 })
  .map((details) => toBinary(StatusSchema, create(StatusSchema, { code: 3, message: "no", details })))
  .chain(damaged);

const printable = fc.string({ unit: fc.integer({ min: 32, max: 126 }).map((code) => String.fromCharCode(code)) });
const degraded = fc.oneof(
  printable,
  fc.constantFrom("cached; age-ms=3000", "empty", "cached; age-ms=9999999999999999"),
);
const pushBack = fc.oneof(printable, fc.constantFrom("-1", "1e9", "9".repeat(400), "NaN", "0x10"));

const ends = (mostMessages: number): fc.Arbitrary<End> =>
  fc.record({
    code: fc.integer({ min: 0, max: 18 }),
    details: fc.oneof(fc.string(), fc.constantFrom("Stream refused by server", "read ECONNRESET", "Call cancelled")),
    trailers: fc.record(
      {
        "grpc-message": fc.oneof(printable, fc.constantFrom("%", "%E0%A4%A", "%ff")),
        "grpc-status": fc.oneof(printable, fc.constantFrom("-1", "99", "NaN", "0", "2.5")),
        "grpc-retry-pushback-ms": pushBack,
        [refusedKey]: printable,
        [degradedKey]: degraded,
        [resetsKey]: printable,
      },
      { requiredKeys: [] },
    ),
    binary: fc.option(statusBytes, { nil: undefined }),
    messages: fc.array(
      fc.oneof(
        fc.constant(toBinary(EchoSchema, create(EchoSchema, { text: "fine" }))),
        fc.uint8Array({ maxLength: 20 }),
      ),
      { maxLength: mostMessages },
    ),
  });

function finish(call: ServerDuplexStream<Buffer, Buffer>, { code, details, trailers, binary, messages }: End): void {
  const metadata = new Metadata();
  // grpc-js sends no half of a surrogate pair, and no spaces at the ends.
  for (const [key, text] of Object.entries(trailers)) metadata.set(key, text.trim());
  if (binary !== undefined) metadata.set("grpc-status-details-bin", Buffer.from(binary));
  for (const message of messages) call.write(Buffer.from(message));
  if (code === 0) call.end(metadata);
  else call.emit("error", { code, details: details.toWellFormed(), metadata });
}

let said: End;
let server: Awaited<ReturnType<typeof openBare>>;
let transport: MeshTransport;
/** Every call is one that its server answers; nobody is left alone for that. */
const policy = { retry: { maxTries: 1 }, breaker: { enabled: false } };
const timeoutMs = 20_000;

beforeAll(async () => {
  const answer: Answer = (call) => finish(call, said);
  server = await openBare("Say", answer, { "/weft.test.v1.EchoService/Count": answer });
  transport = openTransport({ address: server.address, policy });
});
afterAll(async () => {
  await transport[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** Whatever it was told, the call ended by what it was told, and its error can be passed on. */
function isSound(error: unknown): void {
  if (!(error instanceof WeftError)) throw error;
  expect(isReason(error.reason)).toBe(true);
  expect(error.message).not.toBe("the deadline passed");
  expect(() => statusOf(error)).not.toThrow();
}

test("whatever a server ends a unary call with, the call ends", async () => {
  const client = createClient(EchoService, transport);
  await fc.assert(
    fc.asyncProperty(ends(1), async (given) => {
      said = given;
      await client.say({}, { timeoutMs, onFallback: () => undefined }).catch(isSound);
      expect(transport.status().inside.calls).toBe(0);
    }),
    { numRuns: 300 },
  );
}, 60_000);

test("whatever a server ends a stream with, the stream ends", async () => {
  const client = createClient(EchoService, transport);
  await fc.assert(
    fc.asyncProperty(ends(3), async (given) => {
      said = given;
      const read = async (): Promise<void> => {
        for await (const _ of client.count({}, { timeoutMs, onFallback: () => undefined }));
      };
      await read().catch(isSound);
      expect(transport.status().inside.streams).toBe(0);
    }),
    { numRuns: 300 },
  );
}, 60_000);

test("whatever servers end both tries of a hedged call with, the call ends", async () => {
  await using replicas = openReplicas({
    ...policy,
    // What a fifth of the calls took: the slow ones make it no longer.
    hedging: { methods: ["weft.test.v1.EchoService/Say"], quantile: 0.2, budgetShare: 1, maxPerSecond: 1_000 },
    outliers: { enabled: false },
  });
  const fine: End = {
    ...{ code: 0, details: "", trailers: {}, binary: undefined },
    messages: [toBinary(EchoSchema, create(EchoSchema, { text: "fine" }))],
  };
  let tries: ServerDuplexStream<Buffer, Buffer>[] | undefined;
  await using stack = new AsyncDisposableStack();
  for (const id of ["a", "b"]) {
    const bare = stack.use(
      await openBare("Say", (call) => {
        if (tries === undefined) finish(call, fine);
        else tries.push(call);
      }),
    );
    replicas.add(id, bare.address);
  }
  for (let n = 0; n < 100; n += 1) await replicas.client.say({});
  await new Promise((resolve) => setTimeout(resolve, 300));
  let hedged = 0;
  await fc.assert(
    fc.asyncProperty(ends(1), ends(1), async (one, other) => {
      const held: ServerDuplexStream<Buffer, Buffer>[] = (tries = []);
      const call = replicas.client.say({}, { timeoutMs, onFallback: () => undefined });
      const ended = call.then(() => undefined, isSound);
      // One whose turn it was not has one try.
      await until(() => held.length === 2, 2_000).catch(() => undefined);
      if (held.length === 2) hedged += 1;
      tries = undefined;
      for (const [at, given] of [one, other].entries()) {
        const open = held[at];
        if (open !== undefined && !open.cancelled) finish(open, given);
      }
      await ended;
      expect(replicas.transport.status().inside.calls).toBe(0);
    }),
    { numRuns: 60 },
  );
  expect(hedged).toBeGreaterThan(30);
}, 60_000);

test("whatever a server says of its health, it is called", async () => {
  let health: { readonly resets: string; readonly end: End } | undefined;
  await using bare = await openBare("Say", (call) => call.end(), {
    "/grpc.health.v1.Health/Watch": (call) => {
      const metadata = new Metadata();
      metadata.set(resetsKey, health?.resets.trim() ?? "");
      call.sendMetadata(metadata);
      if (health !== undefined) finish(call, health.end);
    },
  });
  const resets = fc.oneof(printable, fc.constantFrom("0/0", "999999999/999999999", "1/", "-1/-1"));
  await fc.assert(
    fc.asyncProperty(resets, ends(3), async (given, ended) => {
      health = { resets: given, end: ended };
      await using own = openTransport({ address: bare.address, policy });
      const client = createClient(EchoService, own);
      for (let call = 0; call < 3; call += 1) {
        await expect(client.say({}, { timeoutMs })).rejects.toMatchObject({ message: "no response came" });
      }
    }),
    { numRuns: 50 },
  );
}, 60_000);
