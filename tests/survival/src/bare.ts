import { promisify } from "node:util";
import { Client, credentials, Server, ServerCredentials, type ServiceError, status } from "@grpc/grpc-js";
import { UserService } from "@weft/contracts/user";
import { WeftError } from "@weft/kit";

/** One connection to a server that lists users. */
export interface Connection extends AsyncDisposable {
  /** Lists some. Rejects with a `WeftError`, `CANCELLED` when it was given up. */
  readonly call: (signal?: AbortSignal) => Promise<unknown>;
}

/** As long as a call takes, so that there is something to give up; in milliseconds. */
const tookMs = 20;
/** No user at all: a message without fields is of no bytes. */
const empty = Buffer.alloc(0);
const path = `/${UserService.typeName}/${UserService.method.listUsers.name}`;
const same = (bytes: Buffer): Buffer => bytes;

/** A server as one writes it with grpc-js alone, that lists no users. */
export async function openBareServer(): Promise<AsyncDisposable & { readonly address: string }> {
  const server = new Server();
  const listUsers = {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  server.addService(
    { listUsers },
    {
      listUsers: (_call: unknown, done: (error: null, users: Buffer) => void) => {
        setTimeout(() => done(null, empty), tookMs);
      },
    },
  );
  const bind = promisify(server.bindAsync.bind(server));
  const port = await bind("127.0.0.1:0", ServerCredentials.createInsecure());
  return { address: `127.0.0.1:${port}`, [Symbol.asyncDispose]: async () => server.forceShutdown() };
}

/** A client as one writes it with grpc-js alone. */
export function bareConnection(address: string): Connection {
  const client = new Client(address, credentials.createInsecure());
  return {
    call: (signal) =>
      new Promise<void>((resolve, reject) => {
        const call = client.makeUnaryRequest(path, same, same, empty, (error: ServiceError | null) =>
          error === null ? resolve() : reject(weftErrorOf(error)),
        );
        signal?.addEventListener("abort", () => call.cancel(), { once: true });
      }),
    [Symbol.asyncDispose]: async () => client.close(),
  };
}

function weftErrorOf(error: ServiceError): WeftError {
  return error.code === status.CANCELLED
    ? new WeftError("CANCELLED", error.details)
    : new WeftError("UNAVAILABLE", `${status[error.code]}: ${error.details}`);
}
