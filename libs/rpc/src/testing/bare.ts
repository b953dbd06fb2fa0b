import { Metadata, Server, ServerCredentials, type ServerDuplexStream, type status } from "@grpc/grpc-js";
import { refusedKey } from "../wire/status.ts";

/** Answers a call, of whatever kind. */
export type Answer = (call: ServerDuplexStream<Buffer, Buffer>) => void;

/**
 * A bare grpc-js server of one method of the test service, and of `others` by their paths. All kinds are answered as a
 * stream.
 */
export async function openBare(
  method: string,
  answer: Answer,
  others: Readonly<Record<string, Answer>> = {},
): Promise<{ address: string } & AsyncDisposable> {
  const server = new Server();
  const same = (bytes: Buffer): Buffer => bytes;
  const shape = { requestStream: true, responseStream: true } as const;
  const codec = { requestSerialize: same, requestDeserialize: same, responseSerialize: same } as const;
  const answers = { [`/weft.test.v1.EchoService/${method}`]: answer, ...others };
  for (const [path, one] of Object.entries(answers)) {
    server.addService({ [path]: { path, ...shape, ...codec, responseDeserialize: same } }, { [path]: one });
  }
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return { address: `127.0.0.1:${port}`, [Symbol.asyncDispose]: async () => server.forceShutdown() };
}

/** What a server says that has not looked at the call. */
export function refusalOf(code: status): object {
  const metadata = new Metadata();
  metadata.set(refusedKey, "1");
  return { code, details: "not now", metadata };
}
