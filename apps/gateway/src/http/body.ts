import type { IncomingMessage, ServerResponse } from "node:http";
import { WeftError } from "@weft/kit";

/** How long what a caller still sends is thrown away after its answer, before the connection is cut, in milliseconds. */
export const lingerMs = 5000;

/** What limits the reading of a body. */
export interface BodyLimits {
  readonly maxBytes: number;
  readonly timeoutMs: number;
}

/**
 * The whole body. `PAYLOAD_TOO_LARGE` as soon as it is announced or turns out to be over the limit: nothing beyond the
 * limit is kept. `REQUEST_TIMEOUT` when it is not there in time, `CANCELLED` when the caller goes away.
 */
export function readBody(request: IncomingMessage, response: ServerResponse, limits: BodyLimits): Promise<Buffer> {
  const { maxBytes, timeoutMs } = limits;
  checkAnnounced(request, maxBytes);
  if (request.headers["content-length"] === "0" || !hasBody(request)) return Promise.resolve(Buffer.alloc(0));
  // Nothing more would be heard of it.
  if (request.destroyed) return Promise.reject(goneAway());
  letItCome(request, response);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(() => finish(tooSlow(timeoutMs)), timeoutMs);
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > maxBytes) finish(tooLarge(maxBytes));
      else chunks.push(chunk);
    };
    const onEnd = (): void => finish();
    const onClose = (): void => finish(goneAway());
    const finish = (error?: WeftError): void => {
      clearTimeout(timer);
      request.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onClose);
      const [only] = chunks;
      if (error !== undefined) reject(error);
      else resolve(only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks, size));
    };
    request.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onClose);
  });
}

/** Throws `PAYLOAD_TOO_LARGE` for a `Content-Length` over the limit. */
export function checkAnnounced(request: IncomingMessage, maxBytes: number): void {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw tooLarge(maxBytes);
}

/** Tells a caller that waits for it (`Expect: 100-continue`) to send the body. */
export function letItCome(request: IncomingMessage, response: ServerResponse): void {
  if (request.headers.expect !== undefined) response.writeContinue();
}

/**
 * For an answer that goes out before the body came in: throws the rest away for a while, so that the caller gets to
 * read the answer (closing with unread data would reset the connection under it), then cuts the connection.
 */
export function discardRest(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  request.resume();
  const timer = setTimeout(() => request.socket.destroy(), lingerMs).unref();
  const done = (): void => clearTimeout(timer);
  request.once("end", done).once("close", done).once("error", done);
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined;
}

export function tooLarge(maxBytes: number): WeftError {
  return new WeftError("PAYLOAD_TOO_LARGE", `the body is larger than ${maxBytes} bytes`);
}

/** For a request whose connection has closed. */
export function goneAway(): WeftError {
  return new WeftError("CANCELLED", "the caller went away");
}

export function tooSlow(timeoutMs: number): WeftError {
  return new WeftError("REQUEST_TIMEOUT", `the body did not arrive within ${timeoutMs} ms`);
}
