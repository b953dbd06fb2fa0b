import type { Instance } from "@weft/discovery";
import {
  type CallFacts,
  Cluster,
  type ClusterOptions,
  type ClusterPolicy,
  type Endpoint,
  type EndpointFacts,
} from "@weft/resilience";
import { Link, type LinkOptions, type LinkState } from "./link.ts";

/** A call that nobody can take yet. */
export interface Waiter {
  /** Somebody may be there now. */
  onAvailable(): void;
}

/** What a {@link Pool} is made of. */
export interface PoolOptions extends ClusterOptions {
  readonly channelOptions: LinkOptions["channelOptions"];
  readonly isOnlyChoice: LinkOptions["isOnlyChoice"];
  /** Somebody became available, who was not. */
  readonly onAvailable: () => void;
}

/** All in milliseconds. */
const limits = {
  /** Connections are closed after this long without a call. */
  idle: 300_000,
  /** A connection is replaced at this age, and up to a tenth later: so many that were opened at once part. */
  age: 1_800_000,
  /** So long a new connection has to take the place of an old one, before another is tried. */
  replace: 10_000,
  /** What still runs on a connection that is closed is ended after this: the longest deadline that a contract grants. */
  closing: 3_600_000,
} as const;

/** Milliseconds between looks at connections while no call runs. */
const restMs = 1_000;

/** Connections that are being closed, with those that still serve: beyond this many, the oldest are cut. */
const mostRetired = 100;

/** The place of an endpoint. */
interface Seat {
  link: Link;
  /** That is to take the place of `link` when it is connected. */
  next: Link | undefined;
  /** As the cluster was told. */
  isAvailable: boolean;
  /** When the link is to be replaced: at its age, with jitter. */
  replaceMs: number;
}

/**
 * The connections to the instances of a service, one for each that the cluster wants one to: opened with the first
 * call, closed when there was none for five minutes. Tells the cluster who can be reached.
 */
export class Pool {
  readonly cluster: Cluster;
  readonly #options: PoolOptions;
  readonly #linkOptions: LinkOptions;
  readonly #seats = new Map<Endpoint, Seat>();
  readonly #waiters = new Set<Waiter>();
  /** Links that take no new calls, and since when. */
  readonly #retired = new Map<Link, number>();
  #isAwake = false;
  #isClosed = false;
  #isStale = false;
  #wasUsed = false;
  #usedMs = 0;
  #tickMs = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
    const { now, random, channelOptions, isOnlyChoice } = options;
    this.cluster = new Cluster(options);
    this.#linkOptions = { channelOptions, isOnlyChoice, now, random, onChange: () => this.#assess() };
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether it is known that nobody serves. */
  get isEmpty(): boolean {
    for (const _ of this.cluster.endpoints) return false;
    return true;
  }

  /** Whether the list of instances is an old one, since the registry is away. */
  get isStale(): boolean {
    return this.#isStale;
  }

  /** Takes in the registry's list. One that is stale and empty says nothing. */
  list(instances: readonly EndpointFacts[], isStale: boolean): void {
    this.#isStale = isStale;
    if (this.#isClosed || (isStale && instances.length === 0)) return;
    this.cluster.update(instances);
    this.#sync();
  }

  /** Goes by this policy from now on. */
  configure(policy: ClusterPolicy): void {
    this.cluster.configure(policy);
    this.#sync();
  }

  /** Has a link to each endpoint of the cluster, and to no other. */
  #sync(): void {
    if (!this.#isAwake) return;
    const gone = new Set(this.#seats.keys());
    for (const endpoint of this.cluster.endpoints) {
      if (gone.delete(endpoint)) continue;
      const link = this.#open(endpoint);
      this.#seats.set(endpoint, { link, next: undefined, isAvailable: false, replaceMs: this.#replaceMs() });
      this.cluster.setAvailable(endpoint, false);
    }
    for (const endpoint of gone) this.#dismiss(endpoint);
    this.#assess();
  }

  /** The link to who takes the call; undefined when nobody can. `avoid`: see `Cluster.pick`. */
  find(call: CallFacts, avoid?: ReadonlySet<Endpoint>): Link | undefined {
    if (!this.#isAwake) this.#wake();
    this.#wasUsed = true;
    const endpoint = this.cluster.pick(call, avoid);
    return endpoint === undefined ? undefined : this.#usable(endpoint);
  }

  wait(waiter: Waiter): void {
    this.#waiters.add(waiter);
  }

  unwait(waiter: Waiter): void {
    this.#waiters.delete(waiter);
  }

  /** Looks at all that follows from time. Returns when to look again, in milliseconds; undefined for not at all. */
  beat(nowMs: number, countedMs: number): number | undefined {
    if (nowMs >= this.#tickMs) {
      this.#tickMs = nowMs + restMs;
      this.cluster.tick(nowMs);
    }
    let isBusy = false;
    let isUsed = this.#wasUsed || this.#waiters.size > 0;
    this.#wasUsed = false;
    for (const [endpoint, seat] of this.#seats) {
      isBusy = seat.link.beat(nowMs, countedMs) || isBusy;
      isUsed ||= seat.link.isBusy;
      if (nowMs >= seat.replaceMs || seat.link.isUseless(nowMs)) this.#replace(endpoint, seat, nowMs);
      else if (seat.next !== undefined) this.#keep(seat, seat.next);
    }
    for (const [link, sinceMs] of this.#retired) {
      isBusy = link.beat(nowMs, countedMs) || isBusy;
      if (!link.isBusy) this.#retired.delete(link);
      else if (nowMs - sinceMs >= limits.closing) link.cut();
    }
    if (isUsed) this.#usedMs = nowMs;
    if (this.#isAwake && !this.#isClosed && nowMs - this.#usedMs >= limits.idle) this.#sleep();
    if (isBusy) return restMs / 10;
    return this.#isAwake || this.#retired.size > 0 ? restMs : undefined;
  }

  /** The connection to the instance with this id. */
  stateOf(id: string): LinkState {
    for (const [endpoint, { link }] of this.#seats) if (endpoint.facts.id === id) return link.state;
    return "idle";
  }

  /** Takes no more calls; those that run may end. */
  close(): void {
    this.#isClosed = true;
    this.#sleep();
    for (const waiter of [...this.#waiters]) waiter.onAvailable();
  }

  #wake(): void {
    if (this.#isClosed) return;
    this.#isAwake = true;
    this.#usedMs = this.#options.now();
    this.#sync();
  }

  #sleep(): void {
    this.#isAwake = false;
    for (const endpoint of [...this.#seats.keys()]) {
      this.cluster.setAvailable(endpoint, false);
      this.#dismiss(endpoint);
    }
  }

  /** The link of an endpoint that was picked, unless its connection was lost in this very moment. */
  #usable(endpoint: Endpoint): Link | undefined {
    const link = this.#seats.get(endpoint)?.link;
    return link?.isAvailable === true ? link : undefined;
  }

  #open(endpoint: Endpoint): Link {
    return new Link(endpoint, this.#linkOptions);
  }

  #dismiss(endpoint: Endpoint): void {
    const seat = this.#seats.get(endpoint);
    if (seat === undefined) return;
    this.#seats.delete(endpoint);
    seat.next?.retire();
    this.#retire(seat.link);
  }

  #retire(link: Link): void {
    link.retire();
    if (!link.isBusy) return;
    this.#retired.set(link, this.#options.now());
    if (this.#retired.size <= mostRetired) return;
    const [oldest] = this.#retired.keys();
    if (oldest === undefined) return;
    this.#retired.delete(oldest);
    oldest.cut();
  }

  /** Opens a link that takes the place of an old or useless one when it is connected. */
  #replace(endpoint: Endpoint, seat: Seat, nowMs: number): void {
    if (seat.next !== undefined && nowMs - seat.next.openedMs < limits.replace) return;
    seat.next?.retire();
    seat.next = this.#open(endpoint);
  }

  /** It has recovered before it was replaced. */
  #keep(seat: Seat, next: Link): void {
    seat.next = undefined;
    next.retire();
  }

  #replaceMs(): number {
    return this.#options.now() + limits.age * (1 + this.#options.random() / 10);
  }

  /** Tells the cluster who can be reached, and the waiting who came. */
  #assess(): void {
    let isNew = false;
    for (const [endpoint, seat] of this.#seats) {
      if (seat.next?.isAvailable === true) this.#seatNext(seat, seat.next);
      const { link } = seat;
      isNew ||= link.isAvailable && !seat.isAvailable;
      seat.isAvailable = link.isAvailable;
      // First: a connection that was lost while it was silent is no word of the instance.
      this.cluster.setAvailable(endpoint, link.isAvailable);
      this.cluster.setSuspect(endpoint, link.isSuspect);
      this.cluster.setUnready(endpoint, link.isUnready);
    }
    if (!isNew) return;
    this.#options.onAvailable();
    for (const waiter of [...this.#waiters]) waiter.onAvailable();
  }

  #seatNext(seat: Seat, next: Link): void {
    const old = seat.link;
    seat.link = next;
    seat.next = undefined;
    seat.replaceMs = this.#replaceMs();
    this.#retire(old);
  }
}

/** What an instance says of itself in the registry. */
export function factsOf({ id, address, metadata }: Instance): EndpointFacts {
  const { version, zone, weight } = metadata;
  const parsed = Number(weight);
  return {
    id,
    address,
    ...(version === undefined ? {} : { version }),
    ...(zone === undefined ? {} : { zone }),
    weight: Number.isFinite(parsed) && parsed > 0 ? parsed : 1,
  };
}
