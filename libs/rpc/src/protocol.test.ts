import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Client, credentials, getChannelzServiceDefinition, status } from "@grpc/grpc-js";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
  ServerReflection,
  ServerReflectionAlpha,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from "@weft/contracts/grpc";
import { UserService } from "@weft/contracts/user";
import { describe, expect, test } from "vitest";
import { createClient, implement, openServer } from "./index.ts";
import { collect, errorFrom, openEcho, until } from "./testing/harness.ts";

const echoName = "weft.test.v1.EchoService";

describe("health", () => {
  test("Check knows the server and each service; List tells all", async () => {
    await using echo = await openEcho({});
    const health = createClient(Health, echo.transport);
    expect(await health.check({})).toMatchObject({ status: Status.NOT_SERVING });
    echo.server.health.set("", true);
    echo.server.health.set(echoName, true);
    expect(await health.check({})).toMatchObject({ status: Status.SERVING });
    expect(await health.check({ service: echoName })).toMatchObject({ status: Status.SERVING });
    expect(await errorFrom(health.check({ service: "else" }))).toMatchObject({ reason: "NOT_FOUND" });
    expect(Object.keys((await health.list({})).statuses).sort()).toEqual(["", echoName]);
  });

  test("Watch tells the status and each change, and ends when the server drains", async () => {
    await using echo = await openEcho({});
    const health = createClient(Health, echo.transport);
    const seen: Status[] = [];
    const watching = errorFrom(
      (async () => {
        for await (const { status: each } of health.watch({ service: echoName })) seen.push(each);
      })(),
    );
    await until(() => seen.length === 1);
    echo.server.health.set(echoName, true);
    await until(() => seen.length === 2);
    echo.server.health.set(echoName, true);
    echo.server.health.set(echoName, false);
    await until(() => seen.length === 3);
    expect(seen).toEqual([Status.NOT_SERVING, Status.SERVING, Status.NOT_SERVING]);
    await echo.server.drain(AbortSignal.timeout(2_000));
    expect(await watching).toMatchObject({ reason: "DRAINING" });
  });
});

describe("reflection", () => {
  test.each([ServerReflection, ServerReflectionAlpha])(
    "%s describes the services to a bare client",
    async (service) => {
      await using server = await openServer({ host: "127.0.0.1", port: 0, services: [implement(UserService, {})] });
      const client = new Client(server.address, credentials.createInsecure());
      const ask = async (
        messageRequest: NonNullable<Parameters<typeof create<typeof ServerReflectionRequestSchema>>[1]>,
      ) => {
        const call = client.makeBidiStreamRequest(
          `/${service.typeName}/ServerReflectionInfo`,
          (bytes: Uint8Array) => Buffer.from(bytes),
          (bytes) => fromBinary(ServerReflectionResponseSchema, bytes),
        );
        call.write(toBinary(ServerReflectionRequestSchema, create(ServerReflectionRequestSchema, messageRequest)));
        call.end();
        const [answer] = await collect(
          call as AsyncIterable<ReturnType<typeof create<typeof ServerReflectionResponseSchema>>>,
        );
        return answer?.messageResponse;
      };
      try {
        const list = await ask({ messageRequest: { case: "listServices", value: "" } });
        expect(list?.case === "listServicesResponse" && list.value.service.map(({ name }) => name)).toEqual([
          "grpc.channelz.v1.Channelz",
          "grpc.health.v1.Health",
          "grpc.reflection.v1.ServerReflection",
          "grpc.reflection.v1alpha.ServerReflection",
          "weft.user.v1.UserService",
        ]);
        const found = await ask({
          messageRequest: { case: "fileContainingSymbol", value: "weft.user.v1.UserService.GetUser" },
        });
        if (found?.case !== "fileDescriptorResponse") throw new Error("no file");
        const files = found.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
        const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: importsFirst(files) }));
        expect(registry.getService("weft.user.v1.UserService")?.methods).toHaveLength(UserService.methods.length);
        const extension = { containingType: "google.protobuf.MethodOptions", extensionNumber: 50101 };
        expect(await ask({ messageRequest: { case: "fileContainingExtension", value: extension } })).toMatchObject({
          case: "fileDescriptorResponse",
        });
        const numbers = await ask({
          messageRequest: { case: "allExtensionNumbersOfType", value: "google.protobuf.MethodOptions" },
        });
        expect(numbers?.case === "allExtensionNumbersResponse" && numbers.value.extensionNumber).toContain(50101);
        expect(
          await ask({ messageRequest: { case: "fileByFilename", value: "weft/user/v1/user.proto" } }),
        ).toMatchObject({
          case: "fileDescriptorResponse",
        });
        // What tools need to show the details of errors.
        expect(
          await ask({ messageRequest: { case: "fileContainingSymbol", value: "google.rpc.ErrorInfo" } }),
        ).toMatchObject({ case: "fileDescriptorResponse" });
        expect(await ask({ messageRequest: { case: "fileByFilename", value: "nowhere.proto" } })).toMatchObject({
          case: "errorResponse",
          value: { errorCode: status.NOT_FOUND },
        });
      } finally {
        client.close();
      }
    },
  );
});

test("channelz answers", async () => {
  await using echo = await openEcho({});
  const client = new Client(echo.server.address, credentials.createInsecure());
  const method = getChannelzServiceDefinition()["GetServers"];
  if (method === undefined) throw new Error("no such method");
  const answer = await new Promise<unknown>((resolve, reject) =>
    client.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, {}, (error, value) =>
      error === null ? resolve(value) : reject(error),
    ),
  );
  expect(answer).toMatchObject({
    server: expect.arrayContaining([expect.objectContaining({ ref: expect.anything() })]),
  });
  client.close();
});

/** Files in an order in which each comes after what it imports. */
function importsFirst(files: readonly FileDescriptorProto[]): FileDescriptorProto[] {
  const sorted = new Set<FileDescriptorProto>();
  const visit = (file: FileDescriptorProto | undefined): void => {
    for (const path of file?.dependency ?? []) visit(files.find(({ name }) => name === path));
    if (file !== undefined) sorted.add(file);
  };
  files.forEach(visit);
  return [...sorted];
}
