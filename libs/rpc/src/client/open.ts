import type { DescMethod, Message } from "@bufbuild/protobuf";
import type { Metadata } from "@grpc/grpc-js";
import type { Discovery } from "@weft/discovery";
import { type Clock, type NewId, newUuid, systemClock, WeftError } from "@weft/kit";
import type { ClusterOptions, OnDecision } from "@weft/resilience";
import type { CallOptions } from "../context.ts";
import { defaultMaxMessageBytes } from "../wire/limits.ts";
import { encodeRequest, grantedMs, metadataOf, signalOf } from "./call.ts";
import type { CallRequest } from "./course.ts";
import { CallReader } from "./facts.ts";
import { InstanceFeed } from "./feed.ts";
import { Guards } from "./guards.ts";
import { channelOptionsOf } from "./link.ts";
import { mapped } from "./mapped.ts";
import { clientPlanOf, withRequestId } from "./plan.ts";
import { factsOf, Pool } from "./pool.ts";
import { Pulse } from "./pulse.ts";
import { type MeshTransport, statusOf, type TransportPolicy, type TransportStatus } from "./status.ts";
import { Requests } from "./requests.ts";
import { Responses } from "./responses.ts";
import { StreamCall, type StreamRequest } from "./streams.ts";
import { UnaryCall } from "./unary.ts";
import { defaultPatienceMs, type Way } from "./way.ts";

interface CommonOptions {
  /** Ids for requests that carry one and got none. */
  readonly newId?: NewId;
  /** Largest message sent or taken, in bytes. Default 4 MiB. */
  readonly maxMessageBytes?: number;
  /** How calls are placed, repeated, bounded and given up. Default: what each section says. */
  readonly policy?: TransportPolicy;
  /** Who calls. Without a zone, zones are not looked at. */
  readonly caller?: NonNullable<ClusterOptions["caller"]>;
  /** Told of every decision that was made for a call. Must not throw. */
  readonly onDecision?: OnDecision;
  /** A number in [0, 1), for choices and jitter. Default `Math.random`. */
  readonly random?: () => number;
  /** For durations only; deadlines are the wire's. */
  readonly clock?: Pick<Clock, "monotonic">;
}

/** Where a transport goes: every instance that discovery lists under a name, or one address. */
export type TransportOptions = CommonOptions &
  ({ readonly target: string; readonly discovery: Pick<Discovery, "watch"> } | { readonly address: string });

/**
 * Opens the way to a service over @grpc/grpc-js: one connection for each instance, opened with the first call.
 *
 * Calls go to the instance that the policy chooses, always have a deadline, and wait up to two seconds for somebody to
 * be there (then `UNAVAILABLE`). What the contract calls safe to retry, and what was refused unseen, is tried again
 * elsewhere within the deadline, as far as the budget goes, and so is what is stuck on an instance that has fallen
 * silent. Streams are tried again only before their first response, and only as long as all that was sent is kept: the
 * one request of a server stream, the first 256 KiB of others.
 */
export function openTransport(options: TransportOptions): MeshTransport {
  return new GrpcTransport(options);
}

class GrpcTransport implements MeshTransport {
  readonly #feed: InstanceFeed | undefined;
  readonly #way: Way;
  readonly #reader = new CallReader();
  readonly #newId: NewId;
  readonly #maxMessageBytes: number;

  constructor(options: TransportOptions) {
    const { newId = newUuid, maxMessageBytes = defaultMaxMessageBytes, random = Math.random } = options;
    const { clock = systemClock, onDecision, caller, policy } = options;
    this.#newId = newId;
    this.#maxMessageBytes = maxMessageBytes;
    const target = "discovery" in options ? options.target : options.address;
    const now = (): number => clock.monotonic();
    const parts = { target, random, ...(onDecision !== undefined && { onDecision }) };
    const guards = new Guards(parts);
    const pool = new Pool({
      ...parts,
      ...(caller !== undefined && { caller }),
      now,
      channelOptions: channelOptionsOf(target, maxMessageBytes),
      isOnlyChoice: !("discovery" in options),
      onAvailable: () => {
        guards.breakers.wake();
        pulse.hurry();
      },
    });
    const pulse = new Pulse({ now, onBeat: (nowMs, countedMs) => pool.beat(nowMs, countedMs) });
    this.#way = { target, pool, pulse, guards, now, onDecision };
    if (policy !== undefined) this.configure(policy);
    if ("discovery" in options) {
      this.#feed = new InstanceFeed(options.discovery, target, ({ instances, stale }) =>
        pool.list(instances.map(factsOf), stale),
      );
    } else {
      pool.list([{ id: target, address: target, weight: 1 }], false);
    }
  }

  configure(policy: TransportPolicy): void {
    this.#way.guards.configure(policy);
    this.#way.pool.configure(policy);
    this.#reader.configure(policy);
  }

  status(): TransportStatus {
    return statusOf(this.#way);
  }

  unary(method: DescMethod, request: Message, options: CallOptions = {}): Promise<Message> {
    return new Promise((resolve, reject) => {
      const call = this.#callOf(method, metadataOf(options), request, options);
      const bytes = this.#encode(call, request);
      new UnaryCall({ ...call, bytes }, this.#way, resolve, reject).start();
    });
  }

  stream(method: DescMethod, requests: AsyncIterable<Message>, options: CallOptions = {}): AsyncIterable<Message> {
    return new Responses(async (responses) => {
      const request = await this.#streamRequest(method, requests, options);
      return new StreamCall(request, this.#way, responses);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#way.pool.close();
    await this.#feed?.close();
  }

  async #streamRequest(
    method: DescMethod,
    requests: AsyncIterable<Message>,
    options: CallOptions,
  ): Promise<StreamRequest> {
    const metadata = metadataOf(options);
    // The others are still at their source when their call is placed: no policy can read a field of theirs.
    const single = method.methodKind === "server_streaming" ? await only(method, requests) : undefined;
    const call = this.#callOf(method, metadata, single, options);
    const outgoing =
      single === undefined
        ? new Requests(mapped(requests, (one) => encodeRequest(method, one, this.#maxMessageBytes)))
        : this.#encode(call, single);
    return { ...call, onAccepted: options.onAccepted, outgoing };
  }

  /** What calls of all kinds have. `single`: the one request, where there is one. */
  #callOf(method: DescMethod, metadata: Metadata, single: Message | undefined, options: CallOptions): CallRequest {
    const plan = clientPlanOf(method);
    return {
      method,
      plan,
      metadata,
      grantedMs: grantedMs(plan.timeoutMs, options),
      signal: signalOf(options),
      facts: this.#reader.read(metadata, single, options),
      patienceMs: options.patienceMs ?? defaultPatienceMs,
      listeners: options,
    };
  }

  #encode({ method, plan }: CallRequest, request: Message): Buffer {
    return encodeRequest(method, withRequestId(plan, request, this.#newId), this.#maxMessageBytes);
  }
}

async function only(method: DescMethod, requests: AsyncIterable<Message>): Promise<Message> {
  for await (const request of requests) return request;
  throw new WeftError("INVALID_ARGUMENT", `${method.name} needs a request`);
}
