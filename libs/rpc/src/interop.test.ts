import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  Client,
  credentials,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { ErrorInfoSchema, StatusSchema } from "@weft/contracts/google";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { WeftError } from "@weft/kit";
import { afterAll, describe, expect, test } from "vitest";
import { createClient, openTransport } from "./index.ts";
import { type Echo, EchoSchema, EchoService } from "./testing/echo.ts";
import { collect, errorFrom, openEcho } from "./testing/harness.ts";

const serialize = (echo: Echo): Buffer => Buffer.from(toBinary(EchoSchema, echo));
const deserialize = (bytes: Buffer): Echo => fromBinary(EchoSchema, bytes);
const path = (method: string): string => `/weft.test.v1.EchoService/${method}`;

describe("a bare grpc-js client with our server", () => {
  const open = () =>
    openEcho({
      say: ({ text }, { metadata }) => {
        if (text === "bad") throw new WeftError("CONFLICT", "raced", { metadata: { by: "x" } });
        return { text: `${text}${metadata.get("x-more") ?? ""}` };
      },
      async *count({ number }) {
        for (let n = 0; n < number; n += 1) yield { number: n };
      },
      sum: async (requests) => ({ number: (await collect(requests)).length }),
      async *chat(requests) {
        for await (const { number } of requests) yield { number: number * 2 };
      },
    });

  const unary = (client: Client, method: string, request: Echo, metadata = new Metadata()): Promise<Echo | undefined> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(path(method), serialize, deserialize, request, metadata, (error, value) =>
        error === null ? resolve(value) : reject(error),
      );
    });

  test("all four kinds", async () => {
    await using echo = await open();
    const client = new Client(echo.server.address, credentials.createInsecure());
    const metadata = new Metadata();
    metadata.set("x-more", "!");
    expect(await unary(client, "Say", create(EchoSchema, { text: "hi" }), metadata)).toMatchObject({ text: "hi!" });
    const counting = client.makeServerStreamRequest(
      path("Count"),
      serialize,
      deserialize,
      create(EchoSchema, { number: 50 }),
    );
    expect(await collect(counting as AsyncIterable<Echo>)).toHaveLength(50);
    const summed = await new Promise((resolve, reject) => {
      const call = client.makeClientStreamRequest(path("Sum"), serialize, deserialize, (error, value) =>
        error === null ? resolve(value) : reject(error),
      );
      for (let n = 0; n < 20; n += 1) call.write(create(EchoSchema, { number: n }));
      call.end();
    });
    expect(summed).toMatchObject({ number: 20 });
    const chat = client.makeBidiStreamRequest(path("Chat"), serialize, deserialize);
    chat.write(create(EchoSchema, { number: 4 }));
    chat.end();
    expect(await collect(chat as AsyncIterable<Echo>)).toMatchObject([{ number: 8 }]);
    client.close();
  });

  test("sees status, details and the trace id of a failure", async () => {
    await using echo = await open();
    const client = new Client(echo.server.address, credentials.createInsecure());
    const error = (await errorFrom(unary(client, "Say", create(EchoSchema, { text: "bad" })))) as ServiceError;
    expect(error).toMatchObject({ code: status.ABORTED, details: "raced" });
    const [binary] = error.metadata.get("grpc-status-details-bin");
    const { code, details } = fromBinary(StatusSchema, binary as Buffer);
    expect(code).toBe(status.ABORTED);
    expect(details[0] && anyUnpack(details[0], ErrorInfoSchema)).toMatchObject({
      reason: "CONFLICT",
      domain: "weft",
      metadata: { by: "x" },
    });
    expect(error.metadata.get("x-trace-id")[0]).toMatch(/^[0-9a-f]{32}$/);
    client.close();
  });

  test("gets INVALID_ARGUMENT for bytes that are no message, UNIMPLEMENTED for a method that nobody knows", async () => {
    await using echo = await open();
    const client = new Client(echo.server.address, credentials.createInsecure());
    const raw = (method: string, bytes: Buffer): Promise<unknown> =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          path(method),
          (b: Buffer) => b,
          (b) => b,
          bytes,
          (error, value) => (error === null ? resolve(value) : reject(error)),
        );
      });
    expect(await errorFrom(raw("Say", Buffer.from([0x0a, 0xff])))).toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(await errorFrom(raw("Nothing", Buffer.alloc(0)))).toMatchObject({ code: status.UNIMPLEMENTED });
    expect(await unary(client, "Say", create(EchoSchema, { text: "fine" }))).toMatchObject({ text: "fine" });
    client.close();
  });

  test("without a deadline of its own gets the contract's", async () => {
    await using echo = await openEcho({ brief: () => new Promise(() => undefined) });
    const client = new Client(echo.server.address, credentials.createInsecure());
    expect(await errorFrom(unary(client, "Brief", create(EchoSchema)))).toMatchObject({
      code: status.DEADLINE_EXCEEDED,
    });
    client.close();
  });
});

describe("our client with a bare grpc-js server", () => {
  const servers: Server[] = [];
  afterAll(() => {
    for (const server of servers) server.forceShutdown();
  });

  async function bareServer(implementation: UntypedServiceImplementation): Promise<string> {
    const server = new Server();
    servers.push(server);
    const definition: Record<string, MethodDefinition<Echo, Echo>> = {};
    for (const { name, methodKind } of EchoService.methods) {
      definition[name] = {
        path: path(name),
        requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
        responseStream: methodKind === "server_streaming" || methodKind === "bidi_streaming",
        requestSerialize: serialize,
        requestDeserialize: deserialize,
        responseSerialize: serialize,
        responseDeserialize: deserialize,
      };
    }
    server.addService(definition, implementation);
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    return `127.0.0.1:${port}`;
  }

  test("all four kinds, and statuses without details", async () => {
    let timeout: unknown;
    const address = await bareServer({
      Say: ((call, respond) => {
        timeout = call.getDeadline();
        if (call.request.text === "bad") respond({ code: status.OUT_OF_RANGE, details: "beyond" });
        else if (call.request.text === "plain") respond({ code: status.RESOURCE_EXHAUSTED, details: "slow down" });
        else respond(null, call.request);
      }) satisfies (...args: Parameters<handleUnaryCall<Echo, Echo>>) => void,
      Count: ((call) => {
        for (let number = 0; number < call.request.number; number += 1) call.write(create(EchoSchema, { number }));
        call.end();
      }) satisfies (...args: Parameters<handleServerStreamingCall<Echo, Echo>>) => void,
      Sum: ((call, respond) => {
        let number = 0;
        call.on("data", () => (number += 1));
        call.on("end", () => respond(null, create(EchoSchema, { number })));
      }) satisfies (...args: Parameters<handleClientStreamingCall<Echo, Echo>>) => void,
      Chat: ((call) => {
        call.on("data", (echo: Echo) => call.write(echo));
        call.on("end", () => call.end());
      }) satisfies (...args: Parameters<handleBidiStreamingCall<Echo, Echo>>) => void,
    });
    await using transport = openTransport({ address });
    const client = createClient(EchoService, transport);
    expect(await client.say({ text: "hi" })).toMatchObject({ text: "hi" });
    expect(Number(timeout)).toBeLessThanOrEqual(Date.now() + 5_000);
    expect(await collect(client.count({ number: 100 }))).toHaveLength(100);
    async function* three() {
      yield { number: 1 };
      yield { number: 2 };
      yield { number: 3 };
    }
    expect(await client.sum(three())).toMatchObject({ number: 3 });
    expect((await collect(client.chat(three()))).map(({ number }) => number)).toEqual([1, 2, 3]);
    expect(await errorFrom(client.say({ text: "bad" }))).toMatchObject({
      reason: "INVALID_ARGUMENT",
      message: "beyond",
    });
    expect(await errorFrom(client.say({ text: "plain" }))).toMatchObject({ reason: "RESOURCE_EXHAUSTED" });
    expect(await errorFrom(client.missing({}))).toMatchObject({ reason: "UNIMPLEMENTED" });
  });
});
