import { once } from "node:events";
import {
  type ClientHttp2Session,
  connect,
  constants,
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A proxy before a gRPC server that knows where a call begins and ends. Disposing closes it and all connections. */
export interface CallProxy extends AsyncDisposable {
  /** Where clients connect: a port of 127.0.0.1. */
  readonly port: number;
  /** Calls that it failed. */
  readonly failed: number;
  /** Each answer takes this many times as long as it does, until `restore`. */
  slow(factor: number): void;
  /** Fails this share of the calls with `UNAVAILABLE`, without the server, until `restore`. */
  fail(share: number): void;
  restore(): void;
}

export interface CallProxyOptions {
  /** Port of 127.0.0.1 on which the server listens. */
  readonly target: number;
  /** Its own. */
  readonly port: number;
  /** Numbers in [0, 1). */
  readonly random: () => number;
}

const { HTTP2_HEADER_PATH, NGHTTP2_CANCEL, NGHTTP2_NO_ERROR } = constants;

/** `UNAVAILABLE` in an answer that is trailers only. */
const unavailable = {
  ":status": 200,
  "content-type": "application/grpc",
  "grpc-status": "14",
  "grpc-message": "one of the calls that are to fail",
};

/**
 * Opens the proxy. Health checks and reflection pass untouched: what is sick in such a way says that it is well. Each
 * connection has one of its own to the server, and ends with it.
 */
export async function openCallProxy({ target, port, random }: CallProxyOptions): Promise<CallProxy> {
  const proxy = new Proxy(target, random);
  await proxy.listen(port);
  return proxy;
}

class Proxy implements CallProxy {
  port = 0;
  failed = 0;
  readonly #target: string;
  readonly #random: () => number;
  readonly #server = createServer();
  readonly #ways = new Map<ServerHttp2Session, ClientHttp2Session>();
  #factor = 1;
  #share = 0;

  constructor(target: number, random: () => number) {
    this.#target = `http://127.0.0.1:${target}`;
    this.#random = random;
    this.#server.on("session", (session) => this.#join(session));
    this.#server.on("stream", (stream, headers) => this.#pass(stream, headers));
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = (this.#server.address() as AddressInfo).port;
  }

  slow(factor: number): void {
    this.#factor = factor;
  }

  fail(share: number): void {
    this.#share = share;
  }

  restore(): void {
    this.#factor = 1;
    this.#share = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [session, way] of this.#ways) {
      session.destroy();
      way.destroy();
    }
    this.#server.close();
  }

  #join(session: ServerHttp2Session): void {
    const way = connect(this.#target);
    this.#ways.set(session, way);
    const end = (): void => {
      this.#ways.delete(session);
      session.destroy();
      way.destroy();
    };
    for (const side of [session, way]) side.on("error", () => undefined).on("close", end);
    // The server is about to stop: what runs may end, and nothing begins any more.
    way.on("goaway", () => session.close());
  }

  #pass(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on("error", () => undefined);
    const isCall = String(headers[HTTP2_HEADER_PATH]).startsWith("/weft.");
    if (isCall && this.#random() < this.#share) {
      this.failed += 1;
      stream.resume();
      stream.respond(unavailable, { endStream: true });
      return;
    }
    const way = stream.session === undefined ? undefined : this.#ways.get(stream.session as ServerHttp2Session);
    if (way === undefined || way.closed || way.destroyed) return stream.close(NGHTTP2_CANCEL);
    const startedAt = performance.now();
    const call = way.request({ ...headers });
    let trailers: OutgoingHttpHeaders = {};
    call.on("error", () => undefined);
    call.on("trailers", (all: IncomingHttpHeaders) => (trailers = { ...all }));
    call.on("response", (answer: IncomingHttpHeaders, flags: number) => {
      const waitMs = isCall ? (performance.now() - startedAt) * (this.#factor - 1) : 0;
      void after(waitMs, () => {
        if (stream.destroyed || stream.closed) return call.close(NGHTTP2_CANCEL);
        const endStream = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
        stream.respond({ ...answer }, endStream ? { endStream } : { waitForTrailers: true });
        if (endStream) return;
        stream.on("wantTrailers", () => stream.sendTrailers(trailers));
        call.pipe(stream);
      });
    });
    call.on("close", () => {
      if (call.rstCode !== NGHTTP2_NO_ERROR && !stream.closed) stream.close(call.rstCode);
    });
    stream.on("close", () => {
      if (!call.closed) call.close(stream.rstCode === NGHTTP2_NO_ERROR ? NGHTTP2_CANCEL : stream.rstCode);
    });
    stream.pipe(call);
  }
}

async function after(ms: number, act: () => void): Promise<void> {
  if (ms > 0) await sleep(ms);
  act();
}
