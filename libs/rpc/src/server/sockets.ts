import type { Http2Server } from "node:http2";
import type { Socket } from "node:net";
import { openSocketsOf } from "@weft/kit";

/** How long a peer may take to close a connection that this side has ended, in milliseconds: at least, at most twice. */
const closeMs = 1000;

/**
 * The connections of a listening server. One that is ended waits for the other side to close it, too, which a peer that
 * is frozen, or behind a dead link, never does: no stop is to wait for that.
 */
export class Sockets {
  readonly #open: readonly ReadonlySet<Socket>[];

  constructor(servers: readonly Http2Server[]) {
    this.#open = servers.map(openSocketsOf);
  }

  /** Cuts what has been ended for a while, until it is disposed. */
  cutEnded(): Disposable {
    let ended: readonly Socket[] = [];
    const timer = setInterval(() => {
      for (const socket of ended) socket.destroy();
      ended = this.#all().filter(({ writableEnded }) => writableEnded);
    }, closeMs);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  cutAll(): void {
    for (const socket of this.#all()) socket.destroy();
  }

  #all(): Socket[] {
    return this.#open.flatMap((sockets) => [...sockets]);
  }
}
