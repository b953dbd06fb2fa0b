import {
  Channel,
  type ChannelOptions,
  connectivityState as states,
  credentials,
  type experimental,
  status as codes,
} from "@grpc/grpc-js";
import { backoffMs } from "@weft/kit";
import type { Endpoint } from "@weft/resilience";
import { HealthWatch, Probe } from "./health.ts";
import { Resets } from "./resets.ts";
import { Silence } from "./silence.ts";

/** A call as grpc-js's channel makes it, below the layers of its generated clients. */
export type RawCall = experimental.CallStream;

/** A connection as people see it; `idle` without one, since nobody calls. */
export type LinkState = "idle" | "connecting" | "unreachable" | "connected" | "not-serving" | "silent" | "closing";

/** A try of a call that runs on a link. */
export interface LinkedTry {
  readonly raw: RawCall;
  /** The instance has not said a word for too long: whoever can go elsewhere may do so now. */
  onSuspect(nowMs: number): void;
}

/** What all links of a transport share. */
export interface LinkOptions {
  readonly channelOptions: ChannelOptions;
  /** Whether it gets calls though it has said that it stops: somebody wants this very process, and its word. */
  readonly isOnlyChoice: boolean;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** What calls may be placed on has changed. */
  readonly onChange: () => void;
}

/** Waits before a lost connection is opened again; that it lasted for `provenMs` starts them anew. In milliseconds. */
const reconnect = { initialMs: 20, maxMs: 5_000, provenMs: 5_000 } as const;

/** See {@link Link.isUseless} and {@link Link.isGone}, in milliseconds. */
const useless = { silentMs: 1_000, lostMs: 5_000, goneMs: 5_000 } as const;

/** What a call ends with that is cut off on this side. */
export const cutDetails = "the connection is not used any more";

/** Wait before a health watch that broke is asked for again, in milliseconds. */
const watchAgainMs = 1_000;

/**
 * The connection to one instance: a channel of grpc-js with nothing above it, what the instance says of its health, and
 * whether it is there at all. A frozen process or a dead link looks like a slow one; it is told apart by a question that
 * every living server answers at once. Suspicion ends with the first word that comes.
 */
export class Link {
  readonly endpoint: Endpoint;
  readonly openedMs: number;
  readonly #options: LinkOptions;
  readonly #channel: Channel;
  readonly #running = new Set<LinkedTry>();
  readonly #resets = new Resets();
  readonly #silence: Silence;
  #state = states.IDLE;
  #readyMs = 0;
  #losses = 0;
  #isClosing = false;
  #isClosed = false;
  #reconnecting: NodeJS.Timeout | undefined;

  #watch: HealthWatch | undefined;
  #watchAgainMs = 0;
  #isServing: boolean | undefined;
  #hasServed = false;

  constructor(endpoint: Endpoint, options: LinkOptions) {
    this.endpoint = endpoint;
    this.#options = options;
    this.openedMs = options.now();
    // Registries hold addresses; a name is looked up, an address taken as it is.
    const { address } = endpoint.facts;
    this.#channel = new Channel(`dns:///${address}`, credentials.createInsecure(), options.channelOptions);
    this.#silence = new Silence({
      // Heard of below, as any other word.
      ask: () => new Probe(this.#channel, () => this.heard()),
      latencyMs: () => this.endpoint.latencyMs,
      onChange: options.onChange,
    });
    this.#channel.getConnectivityState(true);
    this.#follow();
  }

  /** Whether it is connected, and has not said that it stops: that it does not serve, after it did. */
  get isAvailable(): boolean {
    if (this.#state !== states.READY || this.#isClosing) return false;
    return this.#options.isOnlyChoice || !(this.#isServing === false && this.#hasServed);
  }

  /** Whether it says that it does not serve, and has never said anything else: it may not know better. */
  get isUnready(): boolean {
    return this.#isServing === false && !this.#hasServed;
  }

  get state(): LinkState {
    if (this.#isClosing) return "closing";
    if (this.#state === states.TRANSIENT_FAILURE) return "unreachable";
    if (this.#state !== states.READY) return "connecting";
    if (this.#isServing === false) return "not-serving";
    return this.isSuspect ? "silent" : "connected";
  }

  get isSuspect(): boolean {
    return this.#silence.suspectMs !== undefined;
  }

  /** Whether it has been silent for so long that calls which can go nowhere else are given up. */
  get isGone(): boolean {
    return (this.#silence.suspectMs ?? 0) >= useless.goneMs;
  }

  get isBusy(): boolean {
    return this.#running.size > 0;
  }

  /** Whether a new connection is worth a try: this one has been silent, or not there, for too long. */
  isUseless(nowMs: number): boolean {
    const { suspectMs } = this.#silence;
    if (suspectMs !== undefined) return suspectMs >= useless.silentMs;
    return this.#state !== states.READY && nowMs - Math.max(this.openedMs, this.#readyMs) >= useless.lostMs;
  }

  /**
   * Deadlines are told to the server and kept by the caller, not by grpc-js: it would reset each call that is late, and
   * too many resets close a connection.
   */
  createCall(path: string): RawCall {
    return this.#channel.createCall(path, Number.POSITIVE_INFINITY, null, null, null);
  }

  /** `isWaiting`: it is to be answered soon; then {@link Link.settle} is owed, once. */
  begin(linked: LinkedTry, isWaiting: boolean): void {
    this.#running.add(linked);
    if (isWaiting) this.#silence.wait();
  }

  /** Nobody waits for its answer any more; it may still run. */
  settle(): void {
    this.#silence.unwait();
  }

  /** It has ended, on the wire too. */
  end(linked: LinkedTry): void {
    this.#running.delete(linked);
    this.#resets.delete(linked.raw);
    if (this.#isClosing && this.#running.size === 0) this.#shut();
  }

  /** Something came from the instance. */
  heard(): void {
    this.#silence.heard();
  }

  /** It has turned a call down since it stops: nobody else need be told that. */
  stops(): void {
    this.#hasServed = true;
    if (this.#isServing === false) return;
    this.#isServing = false;
    this.#options.onChange();
  }

  /** Lets go of a call that runs; see {@link Resets}. */
  letGo(raw: RawCall, isLate: boolean): void {
    this.#resets.add(raw, isLate, this.#options.now());
  }

  /** Looks at all that follows from time. Returns whether to look again soon. */
  beat(nowMs: number, countedMs: number): boolean {
    if (this.#isClosed) return false;
    this.#resets.beat(nowMs);
    if (this.#state === states.READY) this.#silence.beat(countedMs, this.#running.size > 0);
    if (this.isSuspect) for (const linked of this.#running) linked.onSuspect(nowMs);
    if (this.#watch === undefined && nowMs >= this.#watchAgainMs) this.#watchHealth();
    return this.#resets.isBusy || this.isSuspect;
  }

  /** Takes no new calls and closes when those that run have ended. */
  retire(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    clearTimeout(this.#reconnecting);
    this.#watch?.close();
    this.#watch = undefined;
    if (this.#running.size === 0) this.#shut();
  }

  /** Ends what still runs. */
  cut(): void {
    for (const { raw } of this.#running) raw.cancelWithStatus(codes.UNAVAILABLE, cutDetails);
  }

  #shut(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#silence.forget();
    this.#channel.close();
  }

  /** Told of each change of the channel's state, for ever. */
  #follow(): void {
    if (this.#isClosed) return;
    const state = this.#channel.getConnectivityState(false);
    const was = this.#state;
    this.#state = state;
    this.#channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, () => this.#follow());
    if (state === was) return;
    if (state === states.READY) this.#onReady();
    else if (was === states.READY) this.#onLost();
    this.#options.onChange();
  }

  #onReady(): void {
    this.#readyMs = this.#options.now();
    this.#watchAgainMs = 0;
    this.#watchHealth();
  }

  /** The connection broke, or the server sent GOAWAY: what runs on it may still end well. */
  #onLost(): void {
    const nowMs = this.#options.now();
    this.#losses = nowMs - this.#readyMs > reconnect.provenMs ? 1 : this.#losses + 1;
    this.#readyMs = nowMs;
    this.#watch?.close();
    this.#watch = undefined;
    this.#isServing = undefined;
    this.#hasServed = false;
    this.#silence.lost();
    this.#resets.allow(undefined);
    if (this.#isClosing) return;
    const waitMs = backoffMs(this.#losses, { ...reconnect, random: this.#options.random });
    this.#reconnecting = setTimeout(() => this.#channel.getConnectivityState(true), waitMs);
  }

  #watchHealth(): void {
    if (this.#state !== states.READY || this.#isClosing || this.#watch !== undefined) return;
    this.#watch = new HealthWatch(this.#channel, {
      onServing: (isServing) => {
        if (this.#isServing === isServing) return;
        this.#isServing = isServing;
        this.#hasServed ||= isServing;
        this.heard();
        this.#options.onChange();
      },
      onAllowance: (allowance) => this.#resets.allow(allowance),
      onWatchEnd: (isSilent) => {
        this.#watch = undefined;
        this.#watchAgainMs = isSilent ? Number.POSITIVE_INFINITY : this.#options.now() + watchAgainMs;
      },
    });
  }
}

/** How the channel of a link is made. Retries, balancing and idleness are the transport's own. */
export function channelOptionsOf(authority: string, maxMessageBytes: number): ChannelOptions {
  return {
    "grpc.default_authority": authority,
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": maxMessageBytes,
    "grpc.service_config_disable_resolution": 1,
    "grpc.enable_http_proxy": 0,
    "grpc.enable_retries": 0,
    // A connection belongs to one link: another transport to the same instance has its own.
    "grpc.use_local_subchannel_pool": 1,
    // A silent peer (pulled cable, frozen host) is found within 25 s even when nobody waits for it.
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 5_000,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 5_000,
  };
}
