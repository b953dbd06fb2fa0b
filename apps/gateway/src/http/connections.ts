import { type Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { openSocketsOf } from "@weft/kit";

/** The connections of an HTTP server, for its end. */
export class Connections {
  readonly #open: ReadonlySet<Socket>;

  /**
   * From now on `server` closes idle connections only while no answer is on its way: Node, which does so too when it
   * closes, takes a connection for idle as soon as the end of its answer is written, whether anybody has read it or not.
   *
   * @param server before it listens
   */
  constructor(server: Server) {
    this.#open = openSocketsOf(server);
    const closeIdle = server.closeIdleConnections.bind(server);
    server.closeIdleConnections = () => {
      // Behind a slow reader the others are cut a moment later, with the silent ones.
      for (const socket of this.#open) if (answerOn(socket)?.writableEnded === true) return;
      closeIdle();
    };
  }

  /**
   * Cuts every connection on which no request is being answered: those that are idle, that have said nothing yet, and
   * that have said half of a request's headers. Node, when it closes, leaves the last two to a time limit that it no
   * longer looks at.
   */
  cutSilent(): void {
    for (const socket of this.#open) if (answerOn(socket) === undefined) socket.destroy();
  }
}

/** Node's own note of the response that a connection is used for, from a request's headers to the last byte of its answer. */
export function answerOn(socket: Socket): ServerResponse | undefined {
  const response: unknown = Reflect.get(socket, "_httpMessage");
  return response instanceof ServerResponse ? response : undefined;
}
