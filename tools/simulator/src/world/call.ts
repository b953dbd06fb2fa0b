import type { Code } from "@weft/kit";
import type { BreakerPass, Endpoint, Outcome } from "@weft/resilience";
import type { Client } from "./client.ts";
import type { Try, TryEnd } from "./connection.ts";
import type { CallMarks } from "./load.ts";
import { method } from "./method.ts";

/**
 * How a call ended for its caller. `refused`: turned down by instances that are too busy. `nobody`: there was no
 * instance to try. `broken`: the breaker was open.
 */
export type CallEnd = "ok" | "failed" | "refused" | "late" | "nobody" | "broken";

/** How long a call waits for somebody to be there, in milliseconds: as the transport does. */
const longestWaitMs = 2_000;

interface Running {
  readonly it: Try;
  readonly endpoint: Endpoint;
  readonly sinceMs: number;
  readonly pass: BreakerPass;
}

/** A call through all of its tries. */
export class Call {
  readonly #client: Client;
  readonly #marks: CallMarks;
  readonly #ended: (end: CallEnd) => void;
  readonly #deadlineMs: number;
  readonly #running = new Set<Running>();
  #avoid: Set<Endpoint> | undefined;
  #tries = 0;
  #isOver = false;

  constructor(client: Client, marks: CallMarks, ended: (end: CallEnd) => void) {
    const { timeline, timeoutMs } = client.options;
    this.#client = client;
    this.#marks = marks;
    this.#ended = ended;
    this.#deadlineMs = timeline.nowMs + timeoutMs;
  }

  start(): void {
    const { timeline, retries, hedges } = this.#client.options;
    const nowMs = timeline.nowMs;
    timeline.at(this.#deadlineMs, () => this.#late());
    retries.began(nowMs);
    this.#begin();
    const hedgeAfterMs = hedges.hedges(method, true) ? hedges.began(method, nowMs) : undefined;
    if (hedgeAfterMs !== undefined) timeline.after(hedgeAfterMs, () => this.#hedge());
  }

  #begin(): void {
    const { cluster, timeline, breakers } = this.#client.options;
    if (this.#isOver) return;
    const endpoint = cluster.pick(this.#marks, this.#avoid);
    if (endpoint === undefined) return this.#wait();
    const pass = breakers.of(method).enter(timeline.nowMs);
    if (pass === undefined) return this.#end("broken");
    this.#tries += 1;
    if (this.#tries > 1) this.#client.retried += 1;
    if (this.#avoid?.has(endpoint) === true) this.#client.retriedThere += 1;
    this.#send(endpoint, pass);
  }

  /** Until somebody is there. */
  #wait(): void {
    let isWaiting = true;
    this.#client.whenAvailable(() => {
      if (!isWaiting) return;
      isWaiting = false;
      this.#begin();
    });
    this.#client.options.timeline.after(longestWaitMs, () => {
      if (isWaiting) this.#end("nobody");
      isWaiting = false;
    });
  }

  /** The first try takes longer than nearly all do. */
  #hedge(): void {
    const { cluster, timeline, breakers, hedges, retries } = this.#client.options;
    const [first] = this.#running;
    if (this.#isOver || first === undefined || this.#tries > 1) return;
    const nowMs = timeline.nowMs;
    const isCalm = breakers.of(method).state.kind === "closed" && !retries.isOverloaded(nowMs);
    const avoid = new Set([first.endpoint]);
    const endpoint = cluster.pick(this.#marks, avoid);
    if (endpoint === undefined || avoid.has(endpoint) || !hedges.take(method, { nowMs, isCalm })) return;
    const pass = breakers.of(method).enter(nowMs);
    if (pass === undefined) return;
    this.#client.hedged += 1;
    this.#send(endpoint, pass);
  }

  #send(endpoint: Endpoint, pass: BreakerPass): void {
    const { cluster, timeline } = this.#client.options;
    const it: Try = { deadlineMs: this.#deadlineMs, ended: (end) => this.#tried(running, end) };
    const running: Running = { it, endpoint, sinceMs: timeline.nowMs, pass };
    this.#running.add(running);
    cluster.begin(endpoint, method);
    const connection = this.#client.connection(endpoint);
    if (connection?.isOpen) connection.send(it);
    else this.#tried(running, { answer: "lost" });
  }

  #tried(running: Running, end: TryEnd): void {
    if (!this.#running.has(running)) return;
    const { timeline, retries } = this.#client.options;
    this.#report(running, outcomes[end.answer]);
    if (end.answer !== "lost") retries.answered(timeline.nowMs, end.answer === "refused");
    if (end.answer === "ok") return this.#end("ok");
    (this.#avoid ??= new Set()).add(running.endpoint);
    // The other one may still do it.
    if (this.#running.size > 0) return;
    const waitMs = this.#waitBeforeNext(end);
    if (waitMs === undefined) return this.#end(end.answer === "refused" ? "refused" : "failed");
    timeline.after(waitMs, () => this.#begin());
  }

  #waitBeforeNext({ answer, retryAfterMs }: TryEnd): number | undefined {
    const { timeline, retries, breakers } = this.#client.options;
    const nowMs = timeline.nowMs;
    const isRefused = answer === "refused";
    const code: Code = isRefused ? "RESOURCE_EXHAUSTED" : "UNAVAILABLE";
    const remainingMs = this.#deadlineMs - nowMs;
    const isBreakerOpen = breakers.of(method).isOpen(nowMs);
    const verdict = retries.next(
      {
        method,
        code,
        isSafe: true,
        isRefused,
        pushBackMs: retryAfterMs,
        tries: this.#tries,
        remainingMs,
        isBreakerOpen,
      },
      nowMs,
    );
    return "waitMs" in verdict ? verdict.waitMs : undefined;
  }

  #late(): void {
    if (this.#isOver) return;
    const { timeline, timeoutMs } = this.#client.options;
    for (const running of this.#running) {
      // Only who had at least half of the time is to blame.
      const hadTime = (timeline.nowMs - running.sinceMs) * 2 >= timeoutMs;
      this.#abandon(running, hadTime ? "failure" : "cancelled");
    }
    this.#end("late");
  }

  #abandon(running: Running, outcome: Outcome): void {
    this.#client.connection(running.endpoint)?.cancel(running.it);
    this.#report(running, outcome);
  }

  #report(running: Running, outcome: Outcome): void {
    const { cluster, timeline, breakers, hedges } = this.#client.options;
    const { endpoint, pass, sinceMs } = running;
    const nowMs = timeline.nowMs;
    this.#running.delete(running);
    cluster.end(endpoint, method, outcome, nowMs - sinceMs);
    breakers.of(method).leave(pass, outcome, { nowMs, instance: endpoint.facts.id });
    if (hedges.hedges(method, true)) hedges.ended(method, nowMs - sinceMs, nowMs);
  }

  #end(end: CallEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const running of this.#running) this.#abandon(running, "cancelled");
    this.#ended(end);
  }
}

const outcomes: Readonly<Record<TryEnd["answer"], Outcome>> = {
  ok: "ok",
  failed: "failure",
  lost: "failure",
  refused: "refused",
};
