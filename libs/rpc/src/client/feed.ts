import { experimental } from "@grpc/grpc-js";
import type { Discovery } from "@weft/discovery";
import { backoffMs, systemClock } from "@weft/kit";

const scheme = "weft";
const feeds = new Map<string, InstanceFeed>();
let count = 0;

/**
 * The addresses of a service as discovery tells them, given to grpc-js as the resolver of `weft://<number>/<service>`.
 * While the registry is away the last list stands.
 */
export class InstanceFeed {
  readonly uri: string;
  readonly #key: string;
  readonly #stop = new AbortController();
  readonly #watching: Promise<void>;
  readonly #listeners = new Set<experimental.ResolverListener>();
  #addresses: readonly string[] | undefined;

  constructor(discovery: Pick<Discovery, "watch">, service: string) {
    this.#key = String((count += 1));
    this.uri = `${scheme}://${this.#key}/${service}`;
    feeds.set(this.#key, this);
    experimental.registerResolver(scheme, FeedResolver);
    this.#watching = this.#watch(discovery, service);
  }

  /** Whether it is known that nobody serves. */
  get isEmpty(): boolean {
    return this.#addresses === undefined || this.#addresses.length === 0;
  }

  add(listener: experimental.ResolverListener): void {
    this.#listeners.add(listener);
    // Never within the resolver's own call: grpc-js asks for that.
    setImmediate(() => {
      if (this.#listeners.has(listener)) this.#tell(listener);
    });
  }

  remove(listener: experimental.ResolverListener): void {
    this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    feeds.delete(this.#key);
    this.#stop.abort();
    await this.#watching;
  }

  async #watch(discovery: Pick<Discovery, "watch">, service: string): Promise<void> {
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        for await (const { instances, stale } of discovery.watch(service, signal)) {
          failures = 0;
          if (stale && instances.length === 0) continue;
          this.#addresses = instances.map(({ address }) => address);
          for (const listener of this.#listeners) this.#tell(listener);
        }
      } catch {
        // The list stands while the registry is away; the watch is opened again below.
      }
      await systemClock.sleep(backoffMs(failures + 1), signal).catch(() => undefined);
    }
  }

  #tell(listener: experimental.ResolverListener): void {
    if (this.#addresses === undefined) return;
    const endpoints = this.#addresses.map((address) => ({ addresses: [hostPort(address)] }));
    listener(experimental.statusOrFromValue(endpoints), {}, null, "");
  }
}

class FeedResolver implements experimental.Resolver {
  readonly #feed: InstanceFeed | undefined;
  readonly #listener: experimental.ResolverListener;

  constructor(target: experimental.GrpcUri, listener: experimental.ResolverListener) {
    this.#feed = feeds.get(target.authority ?? "");
    this.#listener = listener;
  }

  static getDefaultAuthority(target: experimental.GrpcUri): string {
    return target.path;
  }

  updateResolution(): void {
    this.#feed?.add(this.#listener);
  }

  destroy(): void {
    this.#feed?.remove(this.#listener);
  }
}

/** `host:port` or `[v6]:port`; registries hold addresses, so no name is looked up. */
function hostPort(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(address.slice(colon + 1)) };
}
