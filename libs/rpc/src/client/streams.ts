import type { DescMethod, Message } from "@bufbuild/protobuf";
import type { Metadata } from "@grpc/grpc-js";
import { systemClock, WeftError } from "@weft/kit";
import type { CallFacts, Endpoint, Outcome } from "@weft/resilience";
import { isLost, isRefusal, pushBackMs } from "../wire/status.ts";
import { givenUp, markTry } from "./call.ts";
import type { Link } from "./link.ts";
import { isTooBusy, outcomeOf } from "./outcome.ts";
import type { ClientPlan } from "./plan.ts";
import { StreamCall } from "./stream.ts";
import { closedTransport, late, mayMove, nobodyThere, type Way } from "./way.ts";

/** A streaming call, ready to be made. */
export interface StreamRequest {
  readonly method: DescMethod;
  readonly plan: ClientPlan;
  readonly metadata: Metadata;
  /** Milliseconds until the deadline; `Infinity` for standard protocols only. */
  readonly grantedMs: number;
  readonly signal: AbortSignal | undefined;
  readonly facts: CallFacts;
  /** How long to wait for an instance to be there. */
  readonly patienceMs: number;
  /** May be told once for each try. */
  readonly onAccepted: (() => void) | undefined;
  /** The one request of a call that can be sent again; the requests of any other. */
  readonly outgoing: Buffer | AsyncIterable<Buffer>;
}

/** The responses of a streaming call. It is made again before its first response only, and with a single request only. */
export async function* stream(request: StreamRequest, way: Way): AsyncGenerator<Message> {
  const { bulkhead, retries } = way.guards;
  if (request.grantedMs <= 0) throw late();
  const isFull = bulkhead.enterStream(request.plan.name);
  if (isFull !== undefined) throw isFull;
  try {
    retries.began(way.now());
    yield* new Stream(request, way).responses();
  } finally {
    bulkhead.leaveStream();
  }
}

class Stream {
  readonly #request: StreamRequest;
  readonly #way: Way;
  readonly #deadlineMs: number;
  readonly #avoid = new Set<Endpoint>();
  #tries = 0;
  #moves = 0;

  constructor(request: StreamRequest, way: Way) {
    this.#request = request;
    this.#way = way;
    this.#deadlineMs = way.now() + request.grantedMs;
  }

  async *responses(): AsyncGenerator<Message> {
    const { guards, now, pool } = this.#way;
    const { plan, signal } = this.#request;
    const breaker = guards.breakers.of(plan.name);
    for (;;) {
      if (breaker.isOpen(now())) throw guards.breakers.refuse(plan.name, now());
      const link = await this.#place();
      // A turn has passed since it was found.
      if (signal?.aborted || !link.isAvailable) continue;
      const startedMs = now();
      const pass = breaker.enter(startedMs);
      if (pass === undefined) throw guards.breakers.refuse(plan.name, startedMs);
      let waitMs: number;
      let outcome: Outcome = "cancelled";
      let isOfBreaker = true;
      let hasRead = false;
      pool.cluster.begin(link.endpoint, true);
      const call = this.#begin(link);
      try {
        for (let message = await call.read(); message !== undefined; message = await call.read()) {
          // Long streams end much later than a breaker has to know whether they come about.
          if (!hasRead) breaker.leave(pass, "ok", { nowMs: now(), instance: link.endpoint.facts.id });
          hasRead = true;
          yield message;
        }
        outcome = "ok";
        return;
      } catch (error) {
        const status = call.failedWith;
        if (status === undefined || !(error instanceof WeftError)) throw error;
        outcome = outcomeOf({ error, status, tookMs: now() - startedMs, timeoutMs: plan.timeoutMs });
        isOfBreaker = !isLost(status);
        guards.retries.answered(now(), isTooBusy(error, status));
        if (error.reason === "DRAINING") link.stops();
        if (hasRead || !this.#isSingle) throw error;
        this.#avoid.add(link.endpoint);
        if (mayMove(error, status, this.#moves)) {
          this.#moved();
          continue;
        }
        const verdict = guards.retries.next(
          {
            method: plan.name,
            code: error.code,
            isSafe: plan.retryable,
            isRefused: isRefusal(status),
            pushBackMs: pushBackMs(status, error),
            tries: this.#tries,
            remainingMs: this.#deadlineMs - now(),
            isBreakerOpen: breaker.isOpen(now()),
          },
          now(),
        );
        if ("no" in verdict) throw error;
        waitMs = verdict.waitMs;
      } finally {
        call.close();
        pool.cluster.end(link.endpoint, outcome);
        if (!hasRead) {
          const told = isOfBreaker ? outcome : "cancelled";
          breaker.leave(pass, told, { nowMs: now(), instance: link.endpoint.facts.id });
        }
      }
      await systemClock.sleep(waitMs, signal).catch((error: unknown) => {
        throw signal === undefined ? error : givenUp(signal);
      });
    }
  }

  get #isSingle(): boolean {
    return Buffer.isBuffer(this.#request.outgoing);
  }

  /** Nobody has seen the try: it does not count. */
  #moved(): void {
    const { target, onDecision } = this.#way;
    onDecision?.({ kind: "retried", target, method: this.#request.plan.name, reason: "unseen" });
    this.#moves += 1;
    this.#tries -= 1;
  }

  #begin(link: Link): StreamCall {
    const { plan, method, signal, metadata, outgoing, facts, onAccepted } = this.#request;
    this.#tries += 1;
    markTry(metadata, { leftMs: this.#deadlineMs - this.#way.now(), tries: this.#tries });
    const call = new StreamCall({
      link,
      path: plan.path,
      method,
      pulse: this.#way.pulse,
      deadlineMs: this.#deadlineMs,
      signal,
      onAccepted,
      mayMove: () => {
        if (!plan.retryable || !this.#isSingle) return false;
        const other = this.#way.pool.find(facts, new Set([...this.#avoid, link.endpoint]));
        return other !== undefined && other !== link && !other.isSuspect;
      },
    });
    call.start(metadata, Buffer.isBuffer(outgoing) ? once(outgoing) : outgoing);
    return call;
  }

  /** Somebody who takes the call: at once, or within two seconds. */
  async #place(): Promise<Link> {
    const { pool, pulse, now } = this.#way;
    const { facts, signal, patienceMs } = this.#request;
    return new Promise((resolve, reject) => {
      const look = (): boolean => {
        if (signal?.aborted) reject(givenUp(signal));
        else if (pool.isClosed) reject(closedTransport(this.#way));
        else {
          const link = pool.find(facts, this.#avoid);
          if (link === undefined) return false;
          resolve(link);
        }
        return true;
      };
      if (look()) return;
      const finish = (): void => {
        pool.unwait(waiting);
        pulse.delete(waiting);
        signal?.removeEventListener("abort", waiting.onAvailable);
      };
      const waiting = {
        dueMs: Math.min(now() + patienceMs, this.#deadlineMs),
        onDue: () => {
          finish();
          reject(nobodyThere(this.#way));
        },
        onAvailable: () => {
          if (look()) finish();
        },
      };
      pool.wait(waiting);
      pulse.add(waiting);
      signal?.addEventListener("abort", waiting.onAvailable);
    });
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
