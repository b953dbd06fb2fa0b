import type { Server } from "node:http";
import type { Socket } from "node:net";
import { openSocketsOf } from "@weft/kit";

/** The connections of an HTTP server, for its end. */
export class Connections {
  readonly #open: ReadonlySet<Socket>;

  /** @param server before it listens */
  constructor(server: Server) {
    this.#open = openSocketsOf(server);
  }

  /**
   * Cuts every connection on which no request is being answered: those that are idle, that have said nothing yet, and
   * that have said half of a request's headers. Node, when it closes, leaves the last two to a time limit that it no
   * longer looks at.
   */
  cutSilent(): void {
    for (const socket of this.#open) if (!isAnswering(socket)) socket.destroy();
  }
}

/** Node's own note of the response that a connection is used for, from a request's headers to the last byte of its answer. */
function isAnswering(socket: Socket): boolean {
  const response: unknown = Reflect.get(socket, "_httpMessage");
  return typeof response === "object" && response !== null;
}
