import { lookup } from "node:dns/promises";
import type { Socket } from "node:net";
import { STATUS_CODES } from "node:http";
import { WeftError } from "@weft/kit";
import type { Listener } from "@weft/service";
import { childOf } from "@weft/telemetry";
import Fastify, { type FastifyError, type FastifyInstance } from "fastify";
import { documentationRoutes } from "../openapi/routes.ts";
import { lingerMs } from "./body.ts";
import { answerOn, Connections } from "./connections.ts";
import { baseHeaders, exchangeOf } from "./exchange.ts";
import { compileHandler, type EdgeParts, sendError } from "./handler.ts";
import { problemAnswer } from "./problem.ts";

/** The HTTP edge, ready to listen. */
export interface Edge extends Listener {
  readonly app: FastifyInstance;
}

/** Time in which all headers of a request arrive, in milliseconds. */
const headersTimeoutMs = 20_000;
/** An idle connection is kept for so long, in milliseconds: longer than load balancers keep theirs. */
const keepAliveTimeoutMs = 72_000;
/** How often a draining server closes connections that have become idle, in milliseconds. */
const sweepMs = 50;
/** What comes on a connection within so many milliseconds is still taken by a draining server. */
const silentMs = 1000;

/**
 * Makes the HTTP edge of `services`. Fastify owns connections and their limits; routes, bodies and answers follow from
 * the contracts, since colons and percent signs in ids are none of a generic router's business.
 */
export function createEdge(parts: EdgeParts): Edge {
  const { config, log, onDrop } = parts;
  const leaving = new AbortController();
  const draining = new AbortController();
  const shared = { corsOrigins: config.corsOrigins, leaving: leaving.signal };
  const app = Fastify({
    logger: false,
    http: {
      maxHeaderSize: config.maxHeaderBytes,
      headersTimeout: Math.min(headersTimeoutMs, config.requestTimeoutMs),
      // Bodies have limits of their own: an upload may rightly take long.
      requestTimeout: 0,
      keepAliveTimeout: keepAliveTimeoutMs,
      connectionsCheckingInterval: 1000,
    },
    exposeHeadRoutes: false,
    forceCloseConnections: "idle",
    return503OnClosing: false,
    routerOptions: { maxParamLength: config.maxUrlBytes + 1 },
    frameworkErrors: (error, request, reply) => {
      const exchange = exchangeOf(request.headers, shared);
      sendError(request, reply, exchange, { error: fromFastify(error), log });
    },
    clientErrorHandler: (error, socket) => refuse(error, socket, log),
  });
  app.removeAllContentTypeParsers();
  // Bodies are none of Fastify's business. JSON is named since it finds a name at once, and searches for the rest.
  app.addContentTypeParser(["application/json", "*"], (_request, _payload, done) => done(null, undefined));

  const handle = compileHandler(parts, { leaving: leaving.signal, draining: draining.signal });
  documentationRoutes(app, parts.services, shared);
  app.all("/*", handle);
  app.setNotFoundHandler(handle);
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const exchange = exchangeOf(request.headers, shared);
    sendError(request, reply, exchange, { error: fromFastify(error), log });
  });
  const connections = new Connections(app.server);
  app.server.maxConnections = config.maxConnections;
  if (onDrop !== undefined) app.server.on("drop", onDrop);
  // Node would answer `Expect: 100-continue` at once: the body is asked for when it is known to be wanted.
  app.server.on("checkContinue", (request, response) => app.server.emit("request", request, response));

  return {
    app,
    async listen() {
      try {
        // For `localhost` Fastify opens a server for each address, and shows one: the others would have no bounds and no end.
        const { address: host } = await lookup(config.httpHost);
        await app.listen({ host, port: config.port });
      } catch (cause) {
        throw cannotListen(cause, `${config.httpHost}:${config.port}`);
      }
      const address = app.server.address();
      if (address === null || typeof address === "string") throw new WeftError("INTERNAL", "the edge has no address");
      return `${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`;
    },
    shed: parts.shedding.shed,
    leave: () => leaving.abort(),
    async drain(signal) {
      leaving.abort();
      draining.abort(new WeftError("DRAINING", "the process is stopping"));
      const cut = (): void => app.server.closeAllConnections();
      if (signal.aborted) cut();
      signal.addEventListener("abort", cut, { once: true });
      // A stream began before anybody knew that its connection would be the last thing it ends.
      const sweep = setInterval(() => app.server.closeIdleConnections(), sweepMs);
      const silence = setInterval(() => connections.cutSilent(), silentMs);
      try {
        await app.close();
      } finally {
        clearInterval(sweep);
        clearInterval(silence);
        signal.removeEventListener("abort", cut);
      }
    },
  };
}

function cannotListen(cause: unknown, address: string): WeftError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const why =
    code === "EADDRINUSE"
      ? "is in use: another process listens there"
      : code === "EACCES"
        ? "may not be used by this user"
        : `can't be listened on (${code || String(cause)})`;
  return new WeftError("INVALID_CONFIGURATION", `${address} ${why}; set WEFT_PORT to another port`, { cause });
}

/** Fastify's own errors: what it refuses before a handler runs. */
function fromFastify(error: FastifyError | WeftError): WeftError {
  if (error instanceof WeftError) return error;
  switch (error.code) {
    case "FST_ERR_BAD_URL":
      return new WeftError("INVALID_ARGUMENT", "the URL has broken percent-encoding", { cause: error });
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new WeftError("UNSUPPORTED_MEDIA_TYPE", "the content type is malformed", { cause: error });
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new WeftError("PAYLOAD_TOO_LARGE", "the body is too large", { cause: error });
    default:
      return (error.statusCode ?? 500) < 500
        ? new WeftError("INVALID_ARGUMENT", "the request is malformed", { cause: error })
        : WeftError.from(error);
  }
}

/** Answers what never became a request, straight to the socket, and closes it. */
function refuse(error: Error & { code?: string }, socket: Socket, log: EdgeParts["log"]): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  log.debug({ err: error }, "a request could not be read");
  // Whoever reads another answer would take this one for a part of it.
  if (answerOn(socket)?.headersSent === true) {
    socket.destroy();
    return;
  }
  const trace = childOf(undefined);
  const answer = problemAnswer(fromParser(error.code), { trace, envelope: false });
  const headers = { ...answer.headers, connection: "close" };
  const pairs = Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [name, value]));
  const all = [...baseHeaders(trace), ...pairs];
  const lines = all.map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\r\n`));
  const length = Buffer.byteLength(answer.body);
  socket.end(
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status]}\r\n${lines.join("")}content-length: ${length}\r\n\r\n${answer.body}`,
  );
  // It may never close its side, and node has looked at it for the last time.
  const timer = setTimeout(() => socket.destroy(), lingerMs).unref();
  socket.once("close", () => clearTimeout(timer));
}

function fromParser(code: string | undefined): WeftError {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return new WeftError("HEADERS_TOO_LARGE", "the headers are too large");
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new WeftError("REQUEST_TIMEOUT", "the request did not arrive in time");
    default:
      return new WeftError("INVALID_ARGUMENT", "the request is not HTTP");
  }
}
