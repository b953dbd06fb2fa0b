import type { IncomingMessage, ServerResponse } from "node:http";
import type { Message } from "@bufbuild/protobuf";
import { WeftError } from "@weft/kit";
import type { CallOptions, Transport } from "@weft/rpc";
import { goneAway, letItCome, tooLarge, tooSlow } from "../http/body.ts";
import type { Binding } from "../routes/bindings.ts";
import { Failures } from "./failures.ts";
import type { compileBatcher } from "./items.ts";
import { LineSplitter } from "./lines.ts";

/** What limits an upload. */
export interface UploadLimits {
  readonly maxStreamBytes: number;
  readonly maxLineBytes: number;
  /** Milliseconds for the next piece to arrive. */
  readonly requestTimeoutMs: number;
}

/** An upload as the route found it. */
export interface Upload {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly transport: Transport;
  readonly binding: Binding;
  readonly batcher: ReturnType<typeof compileBatcher>;
  /** The request message as far as path, query and headers give it: every message of the stream begins so. */
  readonly base: Message;
  readonly call: CallOptions & { readonly signal: AbortSignal };
  readonly limits: UploadLimits;
}

/**
 * Sends an upload, line by line, into a client stream and gives its one response, with the lines that the gateway
 * itself refused added. Reads as fast as the serving process takes, no faster. The response may come before the upload
 * ends: then the rest is not read.
 */
export async function upload({
  request,
  response,
  transport,
  binding,
  batcher,
  base,
  call,
  limits,
}: Upload): Promise<Message> {
  const failures = new Failures();
  const stop = new AbortController();
  const source = new ChunkSource(request, AbortSignal.any([call.signal, stop.signal]), limits);
  let failed: WeftError | undefined;

  async function* messages(): AsyncGenerator<Message> {
    const lines = new LineSplitter(limits.maxLineBytes);
    const batch = batcher(base, failures);
    // What a stream is about (its target, say) stands in the first message: it goes out even if no line ever comes.
    yield base;
    try {
      for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next()) {
        for (const line of lines.push(chunk)) {
          const full = batch.add(line);
          if (full !== undefined) yield full;
        }
        // What has come so far goes on at once: a slow caller's lines are not kept back.
        const rest = batch.flush();
        if (rest !== undefined) yield rest;
      }
      for (const line of lines.end()) {
        const full = batch.add(line);
        if (full !== undefined) yield full;
      }
      const rest = batch.flush();
      if (rest !== undefined) yield rest;
    } catch (error) {
      failed = WeftError.from(error);
      stop.abort(failed);
      throw failed;
    }
  }

  letItCome(request, response);
  try {
    const answers = transport.stream(binding.method, messages(), {
      ...call,
      signal: AbortSignal.any([call.signal, stop.signal]),
    });
    let answer: Message | undefined;
    for await (const message of answers) {
      answer = message;
      break;
    }
    if (answer === undefined) throw new WeftError("INTERNAL", "the stream ended without a response");
    return failures.mergeInto(binding.method.output, answer);
  } catch (error) {
    // The call failed because the upload did: that is the reason to tell.
    throw failed ?? error;
  } finally {
    stop.abort(new WeftError("CANCELLED", "the call is over"));
  }
}

/** Pulls a request body piece by piece; bounded by node's own buffer. Waiting ends with the signal. */
class ChunkSource {
  readonly #request: IncomingMessage;
  readonly #signal: AbortSignal;
  readonly #limits: UploadLimits;
  #bytes = 0;

  constructor(request: IncomingMessage, signal: AbortSignal, limits: UploadLimits) {
    this.#request = request;
    this.#signal = signal;
    this.#limits = limits;
  }

  /** The next piece; undefined at the end. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      if (this.#signal.aborted) throw WeftError.from(this.#signal.reason);
      const chunk: Buffer | null = this.#request.read();
      if (chunk !== null) {
        this.#bytes += chunk.length;
        if (this.#bytes > this.#limits.maxStreamBytes) throw tooLarge(this.#limits.maxStreamBytes);
        return chunk;
      }
      if (this.#request.readableEnded) return undefined;
      if (this.#request.destroyed) throw goneAway();
      await this.#change();
    }
  }

  #change(): Promise<void> {
    const events = ["readable", "end", "close", "error"] as const;
    return new Promise<void>((resolve, reject) => {
      const clear = (): void => {
        clearTimeout(timer);
        for (const event of events) this.#request.off(event, wake);
        this.#signal.removeEventListener("abort", wake);
      };
      const wake = (): void => {
        clear();
        resolve();
      };
      const timer = setTimeout(() => {
        clear();
        reject(tooSlow(this.#limits.requestTimeoutMs));
      }, this.#limits.requestTimeoutMs);
      for (const event of events) this.#request.on(event, wake);
      this.#signal.addEventListener("abort", wake);
    });
  }
}
