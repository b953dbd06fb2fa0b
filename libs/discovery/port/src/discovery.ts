/** One running replica of a service. */
export interface Instance {
  /** Name of the service, for example `user`. */
  readonly service: string;
  /** New at every start of a process. */
  readonly id: string;
  /** `host:port` of its gRPC (or, for an edge, HTTP) listener. */
  readonly address: string;
  /** Facts for balancing and for people: `version`, `zone`, `weight`, `admin`, `pid`. Strings of at most 255 characters. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** What a watcher sees. */
export interface InstanceList {
  /** Healthy instances, sorted by id. */
  readonly instances: readonly Instance[];
  /** True while the registry can't be reached and `instances` is the last good list. */
  readonly stale: boolean;
}

export interface RegisterOptions {
  /** How long an instance stays listed after its process died, in milliseconds. Default 3,000; at least 1,000. */
  readonly ttlMs?: number;
}

/** An instance in the registry. Disposing leaves it, at once and only once. */
export interface Registration extends AsyncDisposable {
  readonly instance: Instance;
}

/**
 * Building block: discovery. Who serves what, and where.
 *
 * Laws:
 * - `D1` A watcher sees an instance within 1 s of `register` resolving.
 * - `D2` A watcher sees it gone within 1 s of its registration being disposed.
 * - `D3` A watcher sees it gone within one TTL (plus 1 s) of its process dying without a word.
 * - `D4` A watcher that loses the registry keeps the last good list and says `stale`; it recovers by itself.
 * - `D5` Registering the same service and id again replaces the former entry.
 * - `D6` The first list of a watch comes at once, empty if there is nobody; a list equal to the one before is not given again.
 * - `D7` After dispose of the block, its own registrations are gone and its watches have ended.
 * - `D8` An instance that can't be registered is `INVALID_ARGUMENT`.
 */
export interface Discovery extends AsyncDisposable {
  /** `INVALID_ARGUMENT` for an empty name, id or address, or too short a TTL. */
  register(instance: Instance, options?: RegisterOptions): Promise<Registration>;

  /** Lists of one service as they change, the newest only if the reader is slow. Ends without error when `signal` aborts. */
  watch(service: string, signal: AbortSignal): AsyncIterable<InstanceList>;

  /** Every healthy instance of every service, sorted by service and id. `UNAVAILABLE` when the registry can't be reached. */
  list(): Promise<readonly Instance[]>;
}
