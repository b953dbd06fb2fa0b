import type { DescMethod, Message } from "@bufbuild/protobuf";
import type { Discovery } from "@weft/discovery";
import { type NewId, newUuid, systemClock, WeftError } from "@weft/kit";
import type { CallOptions } from "../context.ts";
import type { Transport } from "../transport.ts";
import { defaultMaxMessageBytes } from "../wire/limits.ts";
import { RetryBudget } from "./budget.ts";
import { deadlineOf, encodeRequest, metadataOf, signalOf } from "./call.ts";
import { InstanceFeed } from "./feed.ts";
import { clientPlanOf, withRequestId } from "./plan.ts";
import { retryAfter } from "./retry.ts";
import { StreamCall } from "./stream.ts";
import { Target } from "./target.ts";
import { UnaryCall } from "./unary.ts";

interface CommonOptions {
  /** Ids for requests that carry one and got none. */
  readonly newId?: NewId;
  /** Largest message sent or taken, in bytes. Default 4 MiB. */
  readonly maxMessageBytes?: number;
}

/** Where a transport goes: every instance that discovery lists under a name, or one address. */
export type TransportOptions = CommonOptions &
  ({ readonly target: string; readonly discovery: Pick<Discovery, "watch"> } | { readonly address: string });

/**
 * Opens the way to a service over @grpc/grpc-js.
 *
 * Calls are spread over the instances in turn, always have a deadline, and wait up to two seconds for an instance to
 * be there (then `UNAVAILABLE`). What the contract calls safe to retry, and what a stopping server refused unseen, is
 * tried up to three times within the deadline, as far as a budget of a tenth of the calls goes. Streams are tried
 * again only before their first response, and only with a single request.
 */
export function openTransport(options: TransportOptions): Transport {
  return new GrpcTransport(options);
}

class GrpcTransport implements Transport {
  readonly #feed: InstanceFeed | undefined;
  readonly #target: Target;
  readonly #budget = new RetryBudget();
  readonly #way: { readonly target: Target; readonly budget: RetryBudget };
  readonly #newId: NewId;
  readonly #maxMessageBytes: number;

  constructor(options: TransportOptions) {
    const { newId = newUuid, maxMessageBytes = defaultMaxMessageBytes } = options;
    this.#newId = newId;
    this.#maxMessageBytes = maxMessageBytes;
    if ("discovery" in options) {
      const feed = new InstanceFeed(options.discovery, options.target);
      this.#feed = feed;
      this.#target = new Target(feed.uri, { name: options.target, isEmpty: () => feed.isEmpty, maxMessageBytes });
    } else {
      const { address } = options;
      this.#target = new Target(`dns:///${address}`, { name: address, isEmpty: () => false, maxMessageBytes });
    }
    this.#way = { target: this.#target, budget: this.#budget };
  }

  unary(method: DescMethod, request: Message, options: CallOptions = {}): Promise<Message> {
    return new Promise((resolve, reject) => {
      const plan = clientPlanOf(method);
      const call = {
        method,
        plan,
        bytes: encodeRequest(method, withRequestId(plan, request, this.#newId), this.#maxMessageBytes),
        metadata: metadataOf(options),
        deadline: deadlineOf(plan.timeoutMs, options),
        signal: signalOf(options),
      };
      this.#budget.deposit();
      new UnaryCall(call, this.#way, resolve, reject).start();
    });
  }

  async *stream(
    method: DescMethod,
    requests: AsyncIterable<Message>,
    options: CallOptions = {},
  ): AsyncGenerator<Message> {
    const plan = clientPlanOf(method);
    const deadline = deadlineOf(plan.timeoutMs, options);
    const signal = signalOf(options);
    const metadata = metadataOf(options);
    this.#budget.deposit();
    // Only a request of one message can be sent again; the others have been pulled from their source by then.
    const single = method.methodKind === "server_streaming" ? await this.#single(method, requests) : undefined;
    const outgoing = single === undefined ? this.#encoded(method, requests) : undefined;
    for (let tries = 1; ; tries += 1) {
      await this.#target.untilReady(deadline, signal);
      const call = new StreamCall(this.#target.call(plan.path, deadline), method, signal);
      call.start(metadata, outgoing ?? once(single));
      let started = false;
      try {
        for (let message = await call.read(); message !== undefined; message = await call.read()) {
          started = true;
          yield message;
        }
        return;
      } catch (error) {
        const status = call.failedWith;
        if (status === undefined || started || single === undefined || !(error instanceof WeftError)) throw error;
        const waitMs = retryAfter({ status, error, tries, deadline }, plan, this.#budget);
        if (waitMs === undefined) throw error;
        await systemClock.sleep(waitMs, signal);
      } finally {
        call.close();
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#target.close();
    await this.#feed?.close();
  }

  async #single(method: DescMethod, requests: AsyncIterable<Message>): Promise<Buffer> {
    for await (const bytes of this.#encoded(method, requests)) return bytes;
    throw new WeftError("INVALID_ARGUMENT", `${method.name} needs a request`);
  }

  async *#encoded(method: DescMethod, requests: AsyncIterable<Message>): AsyncGenerator<Buffer> {
    for await (const request of requests) yield encodeRequest(method, request, this.#maxMessageBytes);
  }
}

async function* once(bytes: Buffer | undefined): AsyncGenerator<Buffer> {
  if (bytes !== undefined) yield bytes;
}
