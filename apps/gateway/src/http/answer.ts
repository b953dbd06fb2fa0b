import type { ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";
import type { Exchange } from "./exchange.ts";

/** Headers of an answer: lower-case names; undefined is left out. */
export type Headers = Readonly<Record<string, string | undefined>>;

/** The media type of answers in an envelope. */
export const envelopeType = "application/vnd.weft.envelope+json";

/**
 * Sends a whole answer. Straight to node's response: Fastify's own reply handles headers one by one, which costs more
 * than making the answer.
 */
export function sendWhole(
  reply: FastifyReply,
  exchange: Exchange,
  { status, headers, body }: { readonly status: number; readonly headers: Headers; readonly body?: string },
): void {
  const lines = [...exchange.headers];
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) lines.push(name, value);
  }
  if (body !== undefined) lines.push("content-length", String(Buffer.byteLength(body)));
  // Closed from this side at any other time, it might have the caller's next request on its way.
  if (exchange.leaving.aborted) lines.push("connection", "close");
  reply.hijack();
  reply.raw.writeHead(status, lines);
  endSoon(reply.raw, body);
}

/** Answers made in this turn of the event loop; as many as there are requests in flight. */
let made: { readonly raw: ServerResponse; readonly body: string | undefined }[] = [];

/**
 * Writes an answer when this turn of the event loop ends, together with the others that are made in it. Responses of
 * one process come over one connection, many in a turn, and each write between the making of two answers would wake a
 * reader that has just gone to sleep.
 */
function endSoon(raw: ServerResponse, body: string | undefined): void {
  if (made.push({ raw, body }) === 1) setImmediate(endMade);
}

function endMade(): void {
  const answers = made;
  made = [];
  // To HEAD, and to a caller that has gone, node sends no body.
  for (const { raw, body } of answers) raw.end(body);
}

/** Sends JSON text with the status of a success; in an envelope where that was asked for. */
export function sendJson(
  reply: FastifyReply,
  exchange: Exchange,
  { status, json, headers }: { readonly status: number; readonly json: string; readonly headers: Headers },
): void {
  if (exchange.envelope) {
    sendWhole(reply, exchange, {
      // 204 has no room for an envelope: every answer has one, so it becomes 200.
      status: status === 204 ? 200 : status,
      headers: { "content-type": envelopeType, ...headers },
      body: `{"code":"OK","message":"","data":${json}}`,
    });
  } else if (status === 204) {
    sendWhole(reply, exchange, { status, headers });
  } else {
    sendWhole(reply, exchange, {
      status,
      headers: { "content-type": "application/json; charset=utf-8", ...headers },
      body: json,
    });
  }
}

/** Begins an answer that is written piece by piece, with these headers besides those of every answer. */
export type Begin = (headers: Headers) => ServerResponse;

/** How the answers of streams begin: from then on the reply belongs to the stream. */
export function beginner(reply: FastifyReply, exchange: Exchange): Begin {
  return (headers) => {
    const lines = [...exchange.headers, "cache-control", "no-store"];
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) lines.push(name, value);
    if (exchange.leaving.aborted) lines.push("connection", "close");
    reply.hijack();
    reply.raw.writeHead(200, lines);
    reply.raw.flushHeaders();
    return reply.raw;
  };
}
