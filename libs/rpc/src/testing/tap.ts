import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A way to a server over which a test sees the connections, and can have those that are there go dead. */
export interface Tap extends AsyncDisposable {
  readonly address: string;
  /** Connections that were opened so far. */
  readonly opened: number;
  /** Those that are open now. */
  readonly open: number;
  /** Swallows all that goes over the connections that are open; new ones work. */
  deaden(): void;
  /** Ends the connections that are open. */
  reset(): void;
}

/** @param target `host:port` */
export async function openTap(target: string): Promise<Tap> {
  const colon = target.lastIndexOf(":");
  const [host, port] = [target.slice(0, colon), Number(target.slice(colon + 1))];
  const pairs = new Set<{ readonly sockets: readonly Socket[]; isDead: boolean }>();
  let opened = 0;
  const server = createServer((client) => {
    opened += 1;
    const behind = connect({ host, port });
    const pair = { sockets: [client, behind], isDead: false };
    pairs.add(pair);
    for (const [from, to] of [
      [client, behind],
      [behind, client],
    ] as const) {
      from.setNoDelay(true);
      from.on("data", (bytes) => void (pair.isDead || to.write(bytes)));
      from.on("error", () => undefined);
      from.on("close", () => {
        to.destroy();
        pairs.delete(pair);
      });
    }
  });
  const end = (): void => {
    for (const { sockets } of pairs) for (const socket of sockets) socket.destroy();
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get opened() {
      return opened;
    },
    get open() {
      return pairs.size;
    },
    deaden() {
      for (const pair of pairs) pair.isDead = true;
    },
    reset: end,
    async [Symbol.asyncDispose]() {
      end();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
