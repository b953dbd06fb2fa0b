import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { withTimeout } from "../deadline.ts";
import { WeftError } from "../errors.ts";
import { describeFaults, type FaultFixture, faultLaws, type FaultyServer, type Operation } from "./faults.ts";
import { describeMutants } from "./laws.ts";
import { openProxy } from "./proxy.ts";

/** A block that is a server's yes or no: one line asked, one answered. */
interface Toy {
  ask(word: "read" | "write"): Promise<void>;
}

const operations: readonly Operation<Toy>[] = [
  { title: "read", writes: false, run: (toy) => toy.ask("read") },
  { title: "write", writes: true, run: (toy) => toy.ask("write") },
];

const answerMs = 600;

/** A connection for each question. */
function toyAt(port: number): Toy {
  const ask = (word: string, signal: AbortSignal): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1" }, () => socket.write(word));
      signal.addEventListener("abort", () => socket.destroy());
      socket.on("data", (bytes) => {
        resolve(bytes.toString());
        socket.destroy();
      });
      socket.on("error", (cause) => reject(new WeftError("UNAVAILABLE", "the toy can't be reached", { cause })));
      socket.on("close", () => reject(new WeftError("UNAVAILABLE", "the toy hung up")));
    });
  return {
    ask: async (word) => {
      const limit = { timeoutMs: answerMs, what: "the toy" };
      if ((await withTimeout((signal) => ask(word, signal), limit)) === "full") {
        throw new WeftError("RESOURCE_EXHAUSTED", "the toy is full");
      }
    },
  };
}

class ToyServer implements FaultyServer, AsyncDisposable {
  port = 0;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #full = false;

  async start(): Promise<void> {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket.on("error", () => undefined));
      socket.on("data", (word) => socket.write(this.#full && word.toString() === "write" ? "full" : "yes"));
    });
    this.#server.listen(this.port, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = (this.#server.address() as AddressInfo).port;
  }

  async kill(): Promise<void> {
    this.#server?.close();
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.#sockets.clear();
  }

  async fill(): Promise<{ empty(): Promise<void> }> {
    this.#full = true;
    return { empty: async () => void (this.#full = false) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

async function open(
  wrap: (toy: Toy) => Toy = (toy) => toy,
  changes: (server: ToyServer) => FaultyServer = (server) => server,
): Promise<FaultFixture<Toy>> {
  const stack = new AsyncDisposableStack();
  const server = stack.use(new ToyServer());
  await server.start();
  const proxy = stack.use(await openProxy(server.port));
  const dispose = (): Promise<void> => stack.disposeAsync();
  const block = wrap(toyAt(proxy.port));
  return { block, proxy, server: changes(server), deadlineMs: 900, recoveryMs: 900, [Symbol.asyncDispose]: dispose };
}

describeFaults("an adapter that bears its faults", operations, open);

/** Asks, and does something else when that fails. */
function onFailure(toy: Toy, otherwise: (error: unknown) => Promise<void>): Toy {
  return { ask: (word) => toy.ask(word).catch(otherwise) };
}

const never = (): Promise<void> => new Promise(() => undefined);
const bug = async (): Promise<void> => {
  throw new WeftError("INTERNAL", "an unexpected error");
};
const pretend = async (): Promise<void> => undefined;

/** Once broken, it does the same for ever. */
function stays(toy: Toy, broken: (error: unknown) => Promise<void>): Toy {
  let first: unknown;
  const fail = (error: unknown): Promise<void> => broken((first ??= error));
  return { ask: (word) => (first === undefined ? toy.ask(word).catch(fail) : fail(first)) };
}

const again = async (error: unknown): Promise<void> => {
  throw error;
};

const anyFault = ["F1", "F2", "F3"] as const;

describeMutants("the laws of faults", faultLaws(operations), [
  ...anyFault.flatMap((breaks) => [
    { breaks, fault: "a failure is INTERNAL", open: () => open((toy) => onFailure(toy, bug)) },
    { breaks, fault: "a failure is a hang", open: () => open((toy) => onFailure(toy, never)) },
    { breaks, fault: "a failure is swallowed", open: () => open((toy) => onFailure(toy, pretend)) },
    { breaks, fault: "a failure is for ever", open: () => open((toy) => stays(toy, again)) },
  ]),
  {
    breaks: "F1",
    fault: "it hangs when the fault is over",
    open: () => {
      let failures = 0;
      const hangLater = (error: unknown): Promise<void> =>
        (failures += 1) <= operations.length ? again(error) : never();
      return open((toy) => stays(toy, hangLater));
    },
  },
  {
    breaks: "F4",
    fault: "it gives up on what is merely slow",
    open: () =>
      open((toy) => ({ ask: (word) => withTimeout(() => toy.ask(word), { timeoutMs: 100, what: "the toy" }) })),
  },
  {
    breaks: "F5",
    fault: "it does not open another connection",
    open: async () => {
      let wasReset = false;
      const fixture = await open((toy) => ({
        ask: async (word) => {
          if (wasReset) throw new WeftError("UNAVAILABLE", "the connection is gone");
          await toy.ask(word);
        },
      }));
      return { ...fixture, proxy: { ...fixture.proxy, reset: async () => void (wasReset = true) } };
    },
  },
  { breaks: "F6", fault: "a refused write is swallowed", open: () => open((toy) => onFailure(toy, pretend)) },
  {
    breaks: "F6",
    fault: "a refused write is a domain error",
    open: () =>
      open((toy) =>
        onFailure(toy, async () => {
          throw new WeftError("ETAG_MISMATCH", "somebody else wrote");
        }),
      ),
  },
  {
    breaks: "F6",
    fault: "nothing fills the server",
    open: () => open(undefined, (server) => ({ kill: () => server.kill(), start: () => server.start() })),
  },
]);

describe("the list of faults", () => {
  test("names fullness unless the server has no limit", () => {
    const titles = (canBeFull?: boolean) =>
      faultLaws(operations, canBeFull === undefined ? {} : { canBeFull }).map(({ title }) => title.slice(0, 2));
    expect(titles()).toEqual(["F1", "F2", "F3", "F4", "F5", "F6"]);
    expect(titles(false)).toEqual(["F1", "F2", "F3", "F4", "F5"]);
  });
});
