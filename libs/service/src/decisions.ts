import type { Clock } from "@weft/kit";
import type { Decision, DecisionKind, OnDecision } from "@weft/resilience";
import { attributes, type Logger, metricNames, type Metrics } from "@weft/telemetry";
import { methodAttributes } from "./rpc-metrics.ts";

export interface DecisionsOptions {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

/** Time between two lines about the same, in milliseconds: it grows while there is something to say. */
const quiet = { firstMs: 5_000, factor: 3, mostMs: 60_000 } as const;

/** Kinds, targets and reasons are few; should they not be, what comes beyond is counted and not logged. */
const mostSubjects = 1_000;

/** What those who run the mesh have to look at, and what tells that it goes on by itself. */
const levels: Readonly<Record<DecisionKind, "info" | "warn">> = {
  ejected: "warn",
  readmitted: "info",
  panic: "warn",
  breaker: "warn",
  retried: "info",
  hedged: "info",
  refused: "warn",
  shed: "warn",
  limited: "info",
  fallback: "warn",
  degraded: "warn",
  policy: "info",
};

/**
 * That a breaker lets a call through, closes or keeps one back, and that nothing is tried again, follows from what was
 * told; and what ends is good news.
 */
function levelOf({ kind, reason }: Decision): "info" | "warn" {
  if (reason === "enough may take calls" || reason === "recovered") return "info";
  if (kind === "breaker") return reason === "open" ? "warn" : "info";
  if (kind === "refused" && reason !== "bulkhead-full") return "info";
  return levels[kind];
}

/** What was said of a kind, target and reason, and what was not. */
interface Subject {
  /** Of those that came while it was quiet. */
  count: number;
  last: Decision;
}

/**
 * Turns what the mesh decides into metrics and log lines. Each decision counts in `weft.decisions`. In the log the first
 * of a kind, target and reason is a line at once; those that follow within five seconds are one line with their `count`
 * at its end, however many they are, and so are those of the next 15, 45 and then of each minute, as long as they come.
 */
export class Decisions implements Disposable {
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #count: (value: number, attributes: Readonly<Record<string, string>>) => void;
  readonly #subjects = new Map<string, Subject>();
  readonly #stop = new AbortController();

  constructor({ log, metrics, clock }: DecisionsOptions) {
    this.#log = log;
    this.#clock = clock;
    const { decision, target, rpcService, rpcMethod, reason } = attributes;
    this.#count = metrics.counter(metricNames.decisions, [decision, target, rpcService, rpcMethod, reason]);
  }

  readonly tell: OnDecision = (decision) => {
    const { kind, target, method = "", reason } = decision;
    this.#count(1, {
      [attributes.decision]: kind,
      [attributes.target]: target,
      ...methodAttributes(method),
      [attributes.reason]: reason,
    });
    const key = `${kind} ${target} ${reason}`;
    const subject = this.#subjects.get(key);
    if (subject !== undefined) {
      subject.count += 1;
      subject.last = decision;
      return;
    }
    if (this.#subjects.size >= mostSubjects || this.#stop.signal.aborted) return;
    const fresh = { count: 0, last: decision };
    this.#subjects.set(key, fresh);
    this.#say(decision, 1);
    void this.#quiet(key, fresh);
  };

  /** Says what is left to say. */
  [Symbol.dispose](): void {
    this.#stop.abort();
    for (const { last, count } of this.#subjects.values()) if (count > 0) this.#say(last, count);
    this.#subjects.clear();
  }

  /** Until nothing came for as long as it was quiet. */
  async #quiet(key: string, subject: Subject): Promise<void> {
    try {
      for (let ms: number = quiet.firstMs; ; ms = Math.min(ms * quiet.factor, quiet.mostMs)) {
        await this.#clock.sleep(ms, this.#stop.signal);
        if (subject.count === 0) break;
        this.#say(subject.last, subject.count);
        subject.count = 0;
      }
    } catch {
      // Nobody listens any more.
      return;
    }
    this.#subjects.delete(key);
  }

  #say(decision: Decision, count: number): void {
    const { kind, target, instance, method, reason } = decision;
    const fields = {
      decision: kind,
      target,
      ...(instance === undefined ? {} : { about: instance }),
      ...(method === undefined ? {} : { method }),
      reason,
      ...(count === 1 ? {} : { count }),
    };
    this.#log[levelOf(decision)](fields, messagesByReason[`${kind}: ${reason}`] ?? messages[kind]);
  }
}

/** For people. */
const messages: Readonly<Record<DecisionKind, string>> = {
  ejected: "an instance gets no calls for a while",
  readmitted: "an instance gets calls again",
  panic: "too few instances are well: all of them get calls",
  breaker: "a breaker changed its state",
  retried: "a call was tried again",
  hedged: "a slow call was sent a second time",
  refused: "a call was not made",
  shed: "a call was turned down",
  limited: "a caller is over its limit",
  fallback: "something else stands in for what was asked for",
  degraded: "this process is under strain and does less than it could",
  policy: "the policy of calls changed",
};

/** Where a kind of decision has reasons of which that would not be true. */
const messagesByReason: Readonly<Record<string, string>> = {
  "panic: enough may take calls": "enough instances are well again: only they get calls",
  "refused: retry-budget": "a call was not tried again",
  "refused: retry-overloaded": "a call was not tried again",
  "limited: store away": "limits are no longer shared: this process keeps each of them by itself",
  "limited: store contended": "limits are no longer shared: this process keeps each of them by itself",
  "limited: shared again": "processes share their limits again",
  "limited: tightened": "a target fails: fewer calls are let through to it",
  "limited: relaxed": "a target is well again: all calls are let through to it",
  "limited: target in trouble": "a call was turned down, since its target fails too many",
  "limited: false-tokens": "a call was turned down: too many false tokens came from its address",
  "fallback: no instance of the version": "calls for a version go to others: no instance of it is there",
  "degraded: recovered": "this process does all that it can again",
};
