import type { Decision } from "../decision.ts";
import { OutlierDetector } from "../outlier/detector.ts";
import type { PickRequest } from "./balancer.ts";
import type { CallFacts, ClusterOptions, ClusterPolicy } from "./cluster-options.ts";
import type { ClusterDescription, EndpointDescription, EndpointState } from "./describe.ts";
import { Endpoint, type EndpointFacts, type Outcome } from "./endpoint.ts";
import { type FullBalancing, fullBalancing, isByKey } from "./options.ts";
import { Pools } from "./pools.ts";
import { subsetOf } from "./subset.ts";
import { UsualTimes } from "./usual.ts";
import { Versions } from "./versions.ts";

/**
 * The instances of one service as one caller sees them, and the choice among them: registry, connections, health and
 * the outcome of calls together say who may take a call, the policy who of those does. Knows nothing of transports, and
 * has no timers: all that follows from time is looked at when a call is placed, or `tick` is called.
 *
 * Listed → subset of this caller for each part of the calls (by version) → connected → not ejected, suspect or unready,
 * unless that leaves too few (panic) → version → zone → policy.
 *
 * - `C1` a call goes to somebody who may take it, or, in panic, to somebody who is connected
 * - `C2` as long as anybody is connected, there is somebody to take a call
 * - `C3` new settings and lists leave what was measured of those that stay
 * - `C4` a version that nobody has fails no call, and one decision says so
 * - `C5` fewer than the share who may take calls are panic: then all that are connected do
 * - `C6` calls leave a zone in which nobody answers
 * - `C7` callers of all zones together load every instance alike, however unequal the zones
 * - `C8` a version gets its share of every caller's calls, however few of its instances a subset has
 * - `C9` calls that may go to any version load instances alike, whatever the subsets of versions
 */
export class Cluster {
  readonly #options: ClusterOptions;
  readonly #callerId: string;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #unavailable = new Set<Endpoint>();
  readonly #suspect = new Set<Endpoint>();
  /** Those of whom it was told that they are silent, and not yet that they answer again. */
  readonly #toldSilent = new Set<Endpoint>();
  readonly #unready = new Set<Endpoint>();
  readonly #ejectedFor = new Map<Endpoint, string>();
  readonly #outliers: OutlierDetector<Endpoint>;
  readonly #usualTimes = new UsualTimes();
  /** Used again for every call: a pick allocates nothing. */
  readonly #request: { -readonly [Name in keyof PickRequest]: PickRequest[Name] } = { nowMs: 0 };
  #listed: readonly EndpointFacts[] = [];
  #balancing: FullBalancing = fullBalancing();
  #keyHeader: string | undefined;
  #pools: Pools;
  #isPanic = false;
  #missing: readonly string[] = [];

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#callerId = options.caller?.id ?? `${options.random()}`;
    this.#outliers = new OutlierDetector<Endpoint>(
      {
        isReplaceable: (endpoint) => [...this.#endpoints.values()].some((e) => e !== endpoint && this.#isEligible(e)),
        onEjected: (endpoint, reason) => {
          this.#ejectedFor.set(endpoint, reason);
          this.#tell({ kind: "ejected", instance: endpoint.facts.id, reason });
          this.#changed();
        },
        onReadmitted: (endpoint, reason) => {
          this.#ejectedFor.delete(endpoint);
          this.#tell({ kind: "readmitted", instance: endpoint.facts.id, reason });
          endpoint.startWarmUp(options.now(), this.#balancing.warmUp);
          this.#changed();
        },
      },
      options.now(),
    );
    this.#pools = this.#newPools();
    this.configure(options.policy ?? {});
  }

  /** Every endpoint that is to have a connection: those listed, within this caller's subset. Look again after `update` and `configure`. */
  get endpoints(): Iterable<Endpoint> {
    return this.#endpoints.values();
  }

  /** Replaces the policy, while calls run. What is left out gets its default. */
  configure(policy: ClusterPolicy): void {
    this.#balancing = fullBalancing(policy.balancing);
    const { key } = this.#balancing;
    this.#keyHeader = key !== undefined && "header" in key ? key.header.toLowerCase() : undefined;
    this.#outliers.configure(policy.outliers ?? {}, this.#options.now());
    this.#pools = this.#newPools(new Versions(policy.split, policy.routes));
    this.#select();
  }

  /** Takes in the registry's list. Those that stay keep what was measured. */
  update(listed: readonly EndpointFacts[]): void {
    this.#listed = listed;
    this.#select();
  }

  /** Told by the transport: whether it is connected and says that it serves. Whoever is listed counts as such at first. */
  setAvailable(endpoint: Endpoint, isAvailable: boolean): void {
    if (isAvailable && this.#unavailable.has(endpoint)) endpoint.delayWarmUp(this.#options.now());
    this.#mark(this.#unavailable, endpoint, !isAvailable);
    this.#tellSilence(endpoint);
  }

  /**
   * Told by the transport: whether it is connected and yet silent, as a process that is stopped or a link that is cut. A
   * connection that is lost says nothing of that: of somebody who is unavailable, it is told when he is back.
   */
  setSuspect(endpoint: Endpoint, isSuspect: boolean): void {
    this.#mark(this.#suspect, endpoint, isSuspect);
    this.#tellSilence(endpoint);
  }

  /**
   * Told by the transport: whether it said that it does not serve, and has never served as far as that is known. It gets a
   * call only if nobody else is connected.
   */
  setUnready(endpoint: Endpoint, isUnready: boolean): void {
    this.#mark(this.#unready, endpoint, isUnready);
  }

  /** Who takes the call; undefined when nobody may. `avoid`: those that failed this very call already. */
  pick(call: CallFacts, avoid?: ReadonlySet<Endpoint>): Endpoint | undefined {
    const request = this.#request;
    request.nowMs = this.#options.now();
    request.key = call.key ?? (this.#keyHeader === undefined ? undefined : call.header?.(this.#keyHeader));
    if (request.nowMs >= this.#outliers.dueMs) this.tick(request.nowMs);
    return this.#pools.pick(request, call.header, avoid);
  }

  /** A unary call begins there. Methods are told apart by their full names, as some take longer than others. */
  begin(endpoint: Endpoint, method: string): void {
    endpoint.begin(false, this.#options.now(), this.#usualTimes.of(method));
  }

  /** And ends. `tookMs`: from its beginning. */
  end(endpoint: Endpoint, method: string, outcome: Outcome, tookMs: number): void {
    const nowMs = this.#options.now();
    endpoint.end(outcome, tookMs, nowMs, this.#balancing.latencyDecayMs, this.#usualTimes.of(method));
    this.#outliers.record(endpoint, outcome, nowMs);
  }

  /** A streaming call begins there: it has no one answer whose time says anything. */
  beginStream(endpoint: Endpoint): void {
    endpoint.begin(true, this.#options.now());
  }

  /** And ends. */
  endStream(endpoint: Endpoint, outcome: Outcome): void {
    const nowMs = this.#options.now();
    endpoint.end(outcome, undefined, nowMs, this.#balancing.latencyDecayMs);
    this.#outliers.record(endpoint, outcome, nowMs);
  }

  /** Does what follows from time alone, for a cluster without calls. About once a second is enough. */
  tick(nowMs: number): void {
    this.#outliers.tick(nowMs);
  }

  /** As it is now. */
  describe(): ClusterDescription {
    const nowMs = this.#options.now();
    return {
      target: this.#options.target,
      policy: this.#balancing.policy,
      isPanic: this.#isPanic,
      listed: this.#listed.length,
      endpoints: [...this.#endpoints.values()].map((endpoint) => this.#describe(endpoint, nowMs)),
    };
  }

  #newPools(versions = new Versions()): Pools {
    const { random, caller } = this.#options;
    return new Pools({ random, balancing: this.#balancing, versions, zone: caller?.zone });
  }

  /** Draws this caller's endpoints from the list. */
  #select(): void {
    const nowMs = this.#options.now();
    const size = isByKey(this.#balancing.policy) ? Infinity : this.#balancing.subsetSize;
    const draw = (from: readonly EndpointFacts[]): readonly EndpointFacts[] => subsetOf(from, this.#callerId, size);
    const chosen = this.#pools.draw(this.#listed, draw);
    // Who was there before this caller needs no warm-up, as far as it knows.
    const isFirst = this.#endpoints.size === 0;
    for (const [id, endpoint] of this.#endpoints) {
      const facts = chosen.get(id);
      if (facts?.address === endpoint.facts.address) endpoint.facts = facts;
      else this.#forget(endpoint);
    }
    for (const [id, facts] of chosen) {
      if (this.#endpoints.has(id)) continue;
      const endpoint = new Endpoint(facts, nowMs);
      if (!isFirst) endpoint.startWarmUp(nowMs, this.#balancing.warmUp);
      this.#endpoints.set(id, endpoint);
      this.#outliers.add(endpoint, nowMs);
    }
    this.#changed();
  }

  #forget(endpoint: Endpoint): void {
    this.#endpoints.delete(endpoint.facts.id);
    for (const marked of [this.#unavailable, this.#suspect, this.#toldSilent, this.#unready]) marked.delete(endpoint);
    this.#ejectedFor.delete(endpoint);
    this.#outliers.delete(endpoint);
  }

  #mark(marked: Set<Endpoint>, endpoint: Endpoint, isMarked: boolean): void {
    // A connection may report after its instance has left the list.
    if (marked.has(endpoint) === isMarked || this.#endpoints.get(endpoint.facts.id) !== endpoint) return;
    if (isMarked) marked.add(endpoint);
    else marked.delete(endpoint);
    this.#changed();
  }

  #isEligible(endpoint: Endpoint): boolean {
    return this.#stateOf(endpoint) === "eligible";
  }

  #stateOf(endpoint: Endpoint): EndpointState {
    if (this.#unavailable.has(endpoint)) return "unavailable";
    if (this.#unready.has(endpoint)) return "not-ready";
    if (this.#suspect.has(endpoint)) return "suspect";
    return this.#outliers.isEjected(endpoint) ? "ejected" : "eligible";
  }

  #changed(): void {
    const reachable = [...this.#endpoints.values()].filter((endpoint) => !this.#unavailable.has(endpoint));
    const ready = reachable.filter((endpoint) => !this.#unready.has(endpoint));
    const connected = ready.length > 0 ? ready : reachable;
    const eligible = connected.filter((endpoint) => this.#isEligible(endpoint));
    const isPanic = eligible.length === 0 || eligible.length < this.#balancing.panicShare * connected.length;
    this.#pools.update(isPanic ? connected : eligible, isPanic, this.#options.now());
    this.#tellPanic(isPanic && connected.length > 0);
    this.#tellMissing(connected.length > 0 ? this.#pools.missing : []);
  }

  #tellSilence(endpoint: Endpoint): void {
    const isSilent = this.#suspect.has(endpoint);
    if (this.#unavailable.has(endpoint) || this.#toldSilent.has(endpoint) === isSilent) return;
    const instance = endpoint.facts.id;
    if (isSilent) {
      this.#toldSilent.add(endpoint);
      this.#tell({ kind: "ejected", instance, reason: "silent" });
    } else {
      this.#toldSilent.delete(endpoint);
      this.#tell({ kind: "readmitted", instance, reason: "answers again" });
    }
  }

  #tellPanic(isPanic: boolean): void {
    if (isPanic === this.#isPanic) return;
    this.#isPanic = isPanic;
    this.#tell({ kind: "panic", reason: isPanic ? "too few may take calls" : "enough may take calls" });
  }

  #tellMissing(missing: readonly string[]): void {
    const isNew = missing.some((version) => !this.#missing.includes(version));
    this.#missing = missing;
    if (isNew) this.#tell({ kind: "fallback", reason: "no instance of the version" });
  }

  #tell(decision: Omit<Decision, "target">): void {
    this.#options.onDecision?.({ target: this.#options.target, ...decision });
  }

  #describe(endpoint: Endpoint, nowMs: number): EndpointDescription {
    const { id, address, version, zone } = endpoint.facts;
    const untilMs = this.#outliers.ejectedUntilMs(endpoint);
    const reason = this.#ejectedFor.get(endpoint);
    return {
      id,
      address,
      ...(version !== undefined && { version }),
      ...(zone !== undefined && { zone }),
      state: this.#stateOf(endpoint),
      ...(reason !== undefined && { reason }),
      ...(untilMs !== undefined && { readmittedInMs: Math.max(0, untilMs - nowMs) }),
      weight: endpoint.weightAt(nowMs),
      inFlight: endpoint.inFlight,
      latencyMs: endpoint.latencyAt(nowMs, this.#balancing.latencyDecayMs),
      failureShare: endpoint.failureShareAt(nowMs, this.#balancing.latencyDecayMs),
    };
  }
}
