import type { Http2Server } from "node:http2";
import type { Socket } from "node:net";

/** How long a peer may take to close a connection that this side has ended, in milliseconds: at least, at most twice. */
const closeMs = 1000;

/**
 * The connections of a listening server. One that is ended waits for the other side to close it, too, which a peer that
 * is frozen, or behind a dead link, never does: no stop is to wait for that.
 */
export class Sockets {
  readonly #open = new Set<Socket>();

  constructor(servers: readonly Http2Server[]) {
    for (const server of servers) {
      server.on("connection", (socket: Socket) => {
        this.#open.add(socket);
        socket.once("close", () => this.#open.delete(socket));
      });
    }
  }

  /** Cuts what has been ended for a while, until it is disposed. */
  cutEnded(): Disposable {
    let ended: readonly Socket[] = [];
    const timer = setInterval(() => {
      for (const socket of ended) socket.destroy();
      ended = [...this.#open].filter(({ writableEnded }) => writableEnded);
    }, closeMs);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  cutAll(): void {
    for (const socket of this.#open) socket.destroy();
  }
}
