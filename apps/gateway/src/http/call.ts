import type { Socket } from "node:net";
import type { Message } from "@bufbuild/protobuf";
import { isWeftError, type Log, WeftError } from "@weft/kit";
import type { CallOptions, FallbackAnswer, Transport } from "@weft/rpc";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Route } from "../routes/table.ts";
import type { GatewayConfig } from "../settings.ts";
import { download } from "../streams/download.ts";
import { serveEvents } from "../streams/events.ts";
import { upload } from "../streams/upload.ts";
import { noneMatchNames } from "../transcode/etag.ts";
import { checkContentEncoding, checkContentType, jsonTypes, ndjsonTypes } from "../transcode/json-body.ts";
import type { HttpInput } from "../transcode/request.ts";
import type { HttpOutput } from "../transcode/response.ts";
import { asWritten } from "../transcode/violations.ts";
import { beginner, sendJson, sendWhole } from "./answer.ts";
import { checkAnnounced, goneAway, readBody } from "./body.ts";
import { degradedHeaders } from "./degraded.ts";
import { type Exchange, oneOf } from "./exchange.ts";

/** A request whose route is found. */
export interface Found {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly exchange: Exchange;
  readonly route: Route;
  /** Of the path's variables. */
  readonly values: readonly string[];
  readonly query: string;
  readonly authorization: string | undefined;
}

/** What a call needs besides the request. */
interface Surroundings {
  readonly target: Transport;
  readonly config: GatewayConfig;
  readonly log: Log;
  readonly draining: AbortSignal;
}

/**
 * Makes the call that a request stands for and answers with what comes back. Rejects with WeftErrors that have no answer
 * yet.
 */
export function answerCall(found: Found, surroundings: Surroundings): Promise<void> {
  const { request, exchange, authorization } = found;
  const { trace } = exchange;
  const signal = goneOf(request.raw.socket);
  const header = (name: string): string | undefined => oneOf(request.headers[name]);
  const options = authorization === undefined ? { signal, trace, header } : { signal, trace, header, authorization };
  switch (found.route.answering.kind) {
    case "unary":
      return answerUnary(found, surroundings, options);
    case "upload":
      return answerUpload(found, surroundings, options);
    default:
      return answerStream(found, surroundings, options);
  }
}

const connections = new WeakMap<Socket, AbortSignal>();

/**
 * Aborted when the caller goes away. HTTP/1.1 has no other way to give up than to close the connection, so its requests
 * share one signal.
 */
function goneOf(socket: Socket): AbortSignal {
  let signal = connections.get(socket);
  if (signal === undefined) {
    const gone = new AbortController();
    signal = gone.signal;
    const abort = (): void => gone.abort(goneAway());
    if (socket.destroyed) abort();
    else socket.once("close", abort);
    connections.set(socket, signal);
  }
  return signal;
}

type Options = CallOptions & { readonly signal: AbortSignal };

async function answerUnary(found: Found, { target, config }: Surroundings, options: Options): Promise<void> {
  const { request, reply, route } = found;
  const { answering, binding, read } = route;
  let body: Buffer = nothing;
  if (binding.body !== undefined) {
    body = await readBody(request.raw, reply.raw, {
      maxBytes: config.maxBodyBytes,
      timeoutMs: config.requestTimeoutMs,
    });
    if (body.length > 0) {
      checkContentType(request.headers["content-type"], jsonTypes, "application/json");
      checkContentEncoding(request.headers["content-encoding"]);
    }
  }
  const message = read(inputOf(found, body));
  let response: Message;
  let instead: FallbackAnswer | undefined;
  const onFallback = (answer: FallbackAnswer): void => void (instead = answer);
  try {
    response = await target.unary(binding.method, message, { ...options, onFallback });
  } catch (error) {
    throw translate(error, found);
  }
  if (answering.kind !== "unary") throw new WeftError("INTERNAL", "the route is no unary one");
  return succeed(found, answering.respond(response), instead);
}

const nothing = Buffer.alloc(0);

async function answerUpload(found: Found, { target, config }: Surroundings, options: Options): Promise<void> {
  const { request, reply, route } = found;
  const { answering, binding, read } = route;
  if (answering.kind !== "upload") throw new WeftError("INTERNAL", "the route is no upload");
  checkContentType(request.headers["content-type"], ndjsonTypes, "application/x-ndjson");
  checkContentEncoding(request.headers["content-encoding"]);
  checkAnnounced(request.raw, config.maxStreamBytes);
  const base = read(inputOf(found, nothing));
  const { batcher } = answering;
  const raw = { request: request.raw, response: reply.raw };
  try {
    const response = await upload({ ...raw, transport: target, binding, batcher, base, call: options, limits: config });
    return succeed(found, answering.respond(response));
  } catch (error) {
    throw translate(error, found);
  }
}

async function answerStream(found: Found, surroundings: Surroundings, options: Options): Promise<void> {
  const { request, reply, route, exchange } = found;
  const { target, config, log, draining } = surroundings;
  const { answering, binding, read } = route;
  const message = read(inputOf(found, nothing));
  const begin = beginner(reply, exchange);
  if (request.method === "HEAD") {
    begin({}).end();
    return;
  }
  try {
    if (answering.kind === "download") {
      const messages = target.stream(binding.method, once(message), options);
      await download(begin, messages, { lines: answering.lines, log });
    } else if (answering.kind === "events") {
      const signal = AbortSignal.any([options.signal, draining]);
      const call = (onAccepted: () => void): AsyncIterable<Message> =>
        target.stream(binding.method, once(message), { ...options, signal, onAccepted });
      const { events } = answering;
      await serveEvents(begin, call, { events, heartbeatMs: config.heartbeatMs, trace: exchange.trace, log });
    }
  } catch (error) {
    throw translate(error, found);
  }
}

/** One request as the stream that a transport takes. */
async function* once(message: Message): AsyncGenerator<Message> {
  yield message;
}

function inputOf({ request, values, query }: Found, body: Buffer): HttpInput {
  const { headers } = request;
  return {
    values,
    query,
    body,
    idempotencyKey: oneOf(headers["idempotency-key"]),
    ifMatch: headers["if-match"],
    lastEventId: oneOf(headers["last-event-id"]),
  };
}

function succeed({ request, reply, exchange }: Found, output: HttpOutput, instead?: FallbackAnswer): void {
  const { status, json, etag, location, cacheControl } = output;
  const headers = { etag, location, "cache-control": cacheControl, ...degradedHeaders(instead) };
  const noneMatch = request.headers["if-none-match"];
  const reads = request.method === "GET" || request.method === "HEAD";
  if (reads && noneMatch !== undefined && etag !== undefined && noneMatchNames(noneMatch, etag.slice(1, -1))) {
    return sendWhole(reply, exchange, { status: 304, headers: { etag, "cache-control": cacheControl } });
  }
  return sendJson(reply, exchange, { status, json, headers });
}

/** An error of the serving process in the caller's words: paths of its body, and a precondition where it made one. */
function translate(thrown: unknown, { request, route }: Found): WeftError {
  const error = WeftError.from(thrown);
  if (request.headers["if-match"] !== undefined && isWeftError(error, "ETAG_MISMATCH", "INVALID_ETAG")) {
    return new WeftError("PRECONDITION_FAILED", error.message, { metadata: error.metadata, cause: error });
  }
  return asWritten(error, route.binding.body);
}
