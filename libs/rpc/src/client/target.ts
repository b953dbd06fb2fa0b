import { Channel, type ChannelOptions, connectivityState, credentials, type experimental } from "@grpc/grpc-js";
import { WeftError } from "@weft/kit";
import { givenUp } from "./call.ts";

/** A call as grpc-js's channel makes it, below the layers of its generated clients. */
export type RawCall = experimental.CallStream;

/** How long a call waits for an instance to be there, in milliseconds. */
const longestWaitMs = 2_000;

/** A channel to a target, and the wait until somebody there can take a call. */
export class Target {
  readonly #channel: Channel;
  readonly #name: string;
  readonly #isEmpty: () => boolean;

  /** @param isEmpty whether it is known that there is no instance */
  constructor(uri: string, options: { name: string; isEmpty: () => boolean; maxMessageBytes: number }) {
    this.#name = options.name;
    this.#isEmpty = options.isEmpty;
    this.#channel = new Channel(uri, credentials.createInsecure(), channelOptions(options.maxMessageBytes));
  }

  get ready(): boolean {
    return this.#channel.getConnectivityState(false) === connectivityState.READY;
  }

  /**
   * Resolves when an instance is connected. `UNAVAILABLE` after two seconds, or at the deadline if that is sooner:
   * calls made while a target starts or changes place go through, and calls to one that is gone fail soon.
   */
  async untilReady(deadline: number, signal: AbortSignal | undefined): Promise<void> {
    const until = Math.min(deadline, Date.now() + longestWaitMs);
    for (;;) {
      if (signal?.aborted) throw givenUp(signal);
      const state = this.#channel.getConnectivityState(true);
      if (state === connectivityState.READY) return;
      if (state === connectivityState.SHUTDOWN)
        throw new WeftError("CANCELLED", `the transport to ${this.#name} is closed`);
      if (!(await this.#changes(state, until, signal))) break;
    }
    if (signal?.aborted) throw givenUp(signal);
    const what = this.#isEmpty() ? "is there" : "can be reached";
    throw new WeftError("UNAVAILABLE", `no instance of ${this.#name} ${what}`);
  }

  call(path: string, deadline: number): RawCall {
    return this.#channel.createCall(path, deadline, null, null, null);
  }

  close(): void {
    this.#channel.close();
  }

  /** False when nothing changed in time or the caller gave up. */
  #changes(state: connectivityState, until: number, signal: AbortSignal | undefined): Promise<boolean> {
    return new Promise((resolve) => {
      const onAbort = (): void => resolve(false);
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#channel.watchConnectivityState(state, until, (error) => {
        signal?.removeEventListener("abort", onAbort);
        resolve(error === undefined);
      });
    });
  }
}

function channelOptions(maxMessageBytes: number): ChannelOptions {
  return {
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": maxMessageBytes,
    "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    "grpc.service_config_disable_resolution": 1,
    "grpc.enable_http_proxy": 0,
    // A silent peer (pulled cable, frozen host) is found within 25 s even between calls.
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 5_000,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 5_000,
  };
}
