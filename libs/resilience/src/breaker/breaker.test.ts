import fc from "fast-check";
import { expect, test } from "vitest";
import type { Outcome } from "../balancing/endpoint.ts";
import { Breaker, type BreakerParts, type BreakerPass, type BreakerWaiter } from "./breaker.ts";
import { type BreakerOptions, breakerDefaults } from "./options.ts";

type Options = Required<BreakerOptions>;
type Step =
  { readonly kind: "enter" | "wake" } | { readonly kind: "leave"; readonly which: number; readonly outcome: Outcome };

const outcome = fc.constantFrom<Outcome[]>("ok", "failure", "failure", "failure", "refused", "cancelled");
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.constant<Step>({ kind: "enter" }) },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("leave" as const), which: fc.nat(30), outcome }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: "wake" }) },
);
const history = fc.array(fc.record({ gapMs: fc.oneof(fc.nat(50), fc.nat(900)), instance: fc.nat(2), step }), {
  size: "large",
  maxLength: 300,
});
const options: fc.Arbitrary<Options> = fc.record({
  enabled: fc.constant(true),
  windowMs: fc.constantFrom(1_000, 10_000),
  minimumCalls: fc.constantFrom(1, 3, 10),
  failureShare: fc.constantFrom(0.3, 0.5, 1),
  openMs: fc.constantFrom(500, 2_000),
  probes: fc.integer({ min: 1, max: 3 }),
  successes: fc.integer({ min: 1, max: 3 }),
});

/** What a breaker is to be, written down as naively as it can be: every try it ever heard of, in one list. */
class Model {
  readonly #options: Options;
  kind: "closed" | "open" | "half-open" = "closed";
  /** Changes with the state: a try belongs to the one that let it through. */
  epoch = 0;
  #untilMs = 0;
  #tries: { slot: number; instance: string; failed: boolean }[] = [];
  #probing = 0;
  #succeeded = 0;
  #lastProbeMs = 0;

  constructor(given: Options) {
    this.#options = given;
  }

  enter(nowMs: number): boolean {
    const { probes, openMs } = this.#options;
    if (this.kind === "closed") return true;
    if (this.kind === "open" && nowMs < this.#untilMs) return false;
    const isFull = this.kind === "half-open" && this.#probing >= probes;
    if (isFull && nowMs - this.#lastProbeMs < openMs) return false;
    if (this.kind === "open") this.#become("half-open");
    if (isFull) this.#probing = 0;
    this.#probing += 1;
    this.#lastProbeMs = nowMs;
    return true;
  }

  isProbing(nowMs: number): boolean {
    const { probes, openMs } = this.#options;
    return this.kind === "half-open" && this.#probing >= probes && nowMs - this.#lastProbeMs < openMs;
  }

  leave(ended: Outcome, { nowMs, instance }: { nowMs: number; instance: string }): void {
    this.#probing = Math.max(0, this.#probing - 1);
    if (ended === "refused" || ended === "cancelled") return;
    if (this.kind === "half-open") {
      if (ended === "failure") return this.#open(nowMs);
      this.#succeeded += 1;
      if (this.#succeeded === this.#options.successes) this.#become("closed");
      return;
    }
    const slot = Math.floor((nowMs / this.#options.windowMs) * 10);
    this.#tries.push({ slot, instance, failed: ended === "failure" });
    if (ended === "failure" && this.#isFailing(slot)) this.#open(nowMs);
  }

  wake(nowMs: number): void {
    this.#untilMs = Math.min(this.#untilMs, nowMs);
  }

  #isFailing(now: number): boolean {
    const { minimumCalls, failureShare } = this.#options;
    const recent = this.#tries.filter(({ slot }) => slot > now - 10);
    const failures = recent.filter(({ failed }) => failed);
    if (recent.length < minimumCalls || failures.length / recent.length < failureShare) return false;
    const instances = [...new Set(recent.map(({ instance }) => instance))];
    const well = instances.filter((id) => {
      const own = recent.filter(({ instance }) => instance === id);
      return own.length >= 2 && own.filter(({ failed }) => failed).length / own.length <= failureShare / 2;
    });
    return well.length / instances.length < 0.2;
  }

  #open(nowMs: number): void {
    this.#become("open");
    this.#untilMs = nowMs + this.#options.openMs;
  }

  #become(kind: "closed" | "open" | "half-open"): void {
    this.kind = kind;
    this.epoch += 1;
    this.#tries = [];
    this.#probing = 0;
    this.#succeeded = 0;
  }
}

type Make = (parts: BreakerParts) => Breaker;

/** As `expect(actual).toBe(expected)`, of which a hundred thousand would take seconds. */
function same<T>(actual: T, expected: T): void {
  if (actual !== expected) throw new Error(`${String(actual)} should be ${String(expected)}`);
}

function behavesAsModelled(make: Make) {
  return fc.property(options, history, (given, steps) => {
    const model = new Model(given);
    const changes: string[] = [];
    const breaker = make({ options: () => given, onChange: (kind) => changes.push(kind) });
    const passes: { readonly pass: BreakerPass; readonly epoch: number }[] = [];
    let nowMs = 100_000;
    let lastWaiter = 0;
    const waiting: number[] = [];
    const told: number[] = [];
    const enter = (): BreakerPass | undefined => {
      const pass = breaker.enter(nowMs);
      if (pass !== undefined) passes.push({ pass, epoch: model.epoch });
      return pass;
    };
    /** As a call does that waits for the probes of others. */
    const wait = (): void => {
      const id = (lastWaiter += 1);
      waiting.push(id);
      breaker.wait({ onBreaker: () => void (told.push(id), enter()) });
    };
    for (const { gapMs, instance, step: next } of steps) {
      nowMs += gapMs;
      const before = model.kind;
      if (next.kind === "enter") {
        const isOpen = breaker.isOpen(nowMs);
        const isProbing = breaker.isProbing(nowMs);
        same(isProbing, model.isProbing(nowMs));
        const mayEnter = model.enter(nowMs);
        const pass = enter();
        same(pass !== undefined, mayEnter);
        same(isOpen, pass === undefined);
        // K5: whoever is told to wait is told for how long.
        if (pass === undefined) same(breaker.retryAfterMs(nowMs) > 0, true);
        if (isProbing) wait();
      } else if (next.kind === "leave") {
        const [left] = passes.splice(next.which % Math.max(1, passes.length), 1);
        if (left === undefined) continue;
        const at = { nowMs, instance: String(instance) };
        const expected: number[] = [];
        if (left.epoch === model.epoch) {
          model.leave(next.outcome, at);
          while (waiting.length > 0 && !model.isProbing(nowMs)) {
            expected.push(...waiting.splice(0, 1));
            model.enter(nowMs);
          }
        }
        breaker.leave(left.pass, next.outcome, at);
        same(told.splice(0).join(), expected.join());
      } else {
        breaker.wake();
        model.wake(nowMs);
      }
      same(breaker.state.kind, model.kind);
      same(changes.splice(0).join(), before === model.kind ? "" : model.kind);
    }
  });
}

test("K1 to K6: a breaker is what its model is, after every step", () => {
  fc.assert(
    behavesAsModelled((parts) => new Breaker(parts)),
    { numRuns: 300 },
  );
});

/** A breaker with other options than it was asked for. */
const withOptions =
  (change: (given: Options) => Partial<Options>): Make =>
  (parts) =>
    new Breaker({ ...parts, options: () => ({ ...parts.options(), ...change(parts.options()) }) });

class Deaf extends Breaker {
  override wake(): void {}
}
class Refused extends Breaker {
  override leave(pass: BreakerPass, ended: Outcome, at: { nowMs: number; instance: string }): void {
    super.leave(pass, ended === "refused" ? "failure" : ended, at);
  }
}
class Late extends Breaker {
  override leave(pass: BreakerPass, ended: Outcome, at: { nowMs: number; instance: string }): void {
    super.leave(this.state.kind === "open" ? pass : this.state, ended, at);
  }
}
class Untold extends Breaker {
  override wait(): void {}
}
class TellsAll extends Breaker {
  readonly #waiters: BreakerWaiter[] = [];
  override wait(waiter: BreakerWaiter): void {
    this.#waiters.push(waiter);
  }
  override leave(pass: BreakerPass, ended: Outcome, at: { nowMs: number; instance: string }): void {
    super.leave(pass, ended, at);
    for (const waiter of this.#waiters.splice(0)) waiter.onBreaker();
  }
}
class LastComeFirst extends Breaker {
  readonly #waiters: BreakerWaiter[] = [];
  override wait(waiter: BreakerWaiter): void {
    this.#waiters.push(waiter);
    super.wait({ onBreaker: () => this.#waiters.pop()?.onBreaker() });
  }
}
class OneInstance extends Breaker {
  override leave(pass: BreakerPass, ended: Outcome, at: { nowMs: number; instance: string }): void {
    super.leave(pass, ended, { ...at, instance: "all" });
  }
}

test.each<{ fault: string; make: Make }>([
  { fault: "K1 it opens too briefly", make: withOptions(({ openMs }) => ({ openMs: openMs / 2 })) },
  { fault: "K2 it needs a try less", make: withOptions(({ minimumCalls }) => ({ minimumCalls: minimumCalls - 1 })) },
  { fault: "K2 it forgets late", make: withOptions(({ windowMs }) => ({ windowMs: windowMs * 2 })) },
  {
    fault: "K2 it needs more failures",
    make: withOptions(({ failureShare }) => ({ failureShare: failureShare * 1.1 })),
  },
  { fault: "K2 being too busy is a failure", make: (parts) => new Refused(parts) },
  { fault: "K2 one sick instance opens it", make: (parts) => new OneInstance(parts) },
  { fault: "K3 it lets one probe more through", make: withOptions(({ probes }) => ({ probes: probes + 1 })) },
  { fault: "K3 it closes a success early", make: withOptions(() => ({ successes: 1 })) },
  { fault: "K4 late answers count", make: (parts) => new Late(parts) },
  { fault: "K1 it sleeps on", make: (parts) => new Deaf(parts) },
  { fault: "K6 nobody is told", make: (parts) => new Untold(parts) },
  { fault: "K6 all are told of each end", make: (parts) => new TellsAll(parts) },
  { fault: "K6 the last is told first", make: (parts) => new LastComeFirst(parts) },
])("noticed when $fault", ({ make }) => {
  expect(fc.check(behavesAsModelled(make), { numRuns: 1_000, seed: 1, endOnFailure: true }).failed).toBe(true);
});

function closedWith(tries: Readonly<Record<string, readonly [ok: number, failed: number]>>): Breaker {
  const breaker = new Breaker({ options: () => ({ ...breakerDefaults, openMs: 5_000 }), onChange: () => undefined });
  const pass = breaker.enter(0);
  if (pass === undefined) throw new Error("it should be closed");
  for (const [instance, [ok]] of Object.entries(tries)) {
    for (let one = 0; one < ok; one += 1) breaker.leave(pass, "ok", { nowMs: 1, instance });
  }
  for (const [instance, [, failed]] of Object.entries(tries)) {
    for (let one = 0; one < failed; one += 1) breaker.leave(pass, "failure", { nowMs: 1, instance });
  }
  return breaker;
}

test.each<[string, Readonly<Record<string, readonly [number, number]>>, string]>([
  ["all replicas fail", { a: [0, 4], b: [0, 4], c: [0, 4] }, "open"],
  ["all fail six of ten", { a: [4, 6], b: [4, 6], c: [4, 6] }, "open"],
  ["too few tries", { a: [0, 4], b: [0, 5] }, "closed"],
  ["one of two is dead", { a: [8, 0], b: [0, 40] }, "closed"],
  ["two of three are dead", { a: [5, 0], b: [0, 30], c: [0, 30] }, "closed"],
  ["one of three lives, but fails as many", { a: [6, 6], b: [0, 30], c: [0, 30] }, "open"],
  ["the only replica fails half", { a: [5, 5] }, "open"],
])("K2 %s", (_case, tries, kind) => {
  expect(closedWith(tries).state.kind).toBe(kind);
});

test("K5 probes of which nothing is heard make room for others, and few calls still close it", () => {
  const breaker = closedWith({ a: [0, 10] });
  for (let probe = 0; probe < 3; probe += 1) expect(breaker.enter(5_001)).toBeDefined();
  expect(breaker.enter(10_000)).toBeUndefined();
  expect(breaker.retryAfterMs(10_000)).toBe(1);
  for (let probe = 0; probe < 3; probe += 1) {
    const nowMs = 10_001 + 60_000 * probe;
    const pass = breaker.enter(nowMs);
    if (pass === undefined) throw new Error("it should let a probe through");
    breaker.leave(pass, "ok", { nowMs: nowMs + 10, instance: "a" });
  }
  expect(breaker.state.kind).toBe("closed");
});

test("K5 probes that take longer than it stays open close it all the same, while others ask", () => {
  const breaker = closedWith({ a: [0, 10] });
  const passes: { readonly pass: BreakerPass; readonly endsMs: number }[] = [];
  for (let nowMs = 5_001; nowMs < 60_000 && breaker.state.kind !== "closed"; nowMs += 100) {
    while (passes[0] !== undefined && passes[0].endsMs <= nowMs) {
      const { pass } = passes.shift() ?? passes[0];
      breaker.leave(pass, "ok", { nowMs, instance: "a" });
    }
    const pass = breaker.enter(nowMs);
    if (pass !== undefined) passes.push({ pass, endsMs: nowMs + 12_000 });
  }
  expect(breaker.state.kind).toBe("closed");
});
