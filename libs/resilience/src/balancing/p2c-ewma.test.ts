import { describeLaws, describeMutants } from "@weft/kit/testing";
import fc from "fast-check";
import { expect } from "vitest";
import { type BalancerOptions, only } from "./balancer.ts";
import type { Endpoint } from "./endpoint.ts";
import { call, countOf, isLikely, law, seededRandom, subjectOf, usualTimes } from "./fixture.ts";
import { P2cEwma } from "./p2c-ewma.ts";
import { choosing, common, type Make, mutant, over, type PolicyLaw, seeds, twoChoices } from "./policy-laws.ts";
import { RandomChoice } from "./random.ts";
import { TwoChoices } from "./two-choices.ts";

const make: Make = (options) => new P2cEwma(options);

const laws: readonly PolicyLaw[] = [
  ...common,
  ...twoChoices,
  law("P1 an instance that does not answer gets dear as soon as its calls are late", (make) => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 50 }), fc.boolean(), (seed, tookMs, isKnown) => {
        const { balancer, endpoints } = over(make, seed, [1, 1, 1]);
        if (isKnown) for (const endpoint of endpoints) call(endpoint, 0, tookMs);
        else for (const endpoint of endpoints.slice(1)) call(endpoint, 0, tookMs);
        const frozen = endpoints[0];
        frozen?.begin(false, 100);
        const lateMs = 100 + (tookMs + 1) * 20;
        for (const endpoint of endpoints.slice(1)) {
          call(endpoint, lateMs - tookMs, tookMs);
          for (let begun = 0; begun < 8; begun += 1) endpoint.begin(true, lateMs);
        }
        for (let pick = 0; pick < 20; pick += 1) expect(balancer.pick({ nowMs: lateMs })).not.toBe(frozen);
      }),
    );
  }),
  law("P2 latencies within the tolerance are equal: then calls in flight decide", (make) => {
    fc.assert(
      fc.property(
        seeds,
        fc.integer({ min: 1, max: 1000 }),
        fc.double({ min: 1, max: 1.45, noNaN: true }),
        (seed, tookMs, factor) => {
          const { balancer, endpoints } = over(make, seed, [1, 1]);
          const [fast, slow] = endpoints;
          if (fast === undefined || slow === undefined) return;
          call(slow, 0, tookMs * factor);
          call(fast, tookMs * (factor - 1), tookMs);
          const nowMs = tookMs * factor;
          const counts = countOf(400, () => balancer.pick({ nowMs }));
          expect(isLikely(counts.get(slow) ?? 0, 0.5, 400)).toBe(true);
          fast.begin(true, nowMs);
          expect(balancer.pick({ nowMs })).toBe(slow);
        },
      ),
    );
  }),
  law("P3 an instance of which nothing is known costs as much as the other one", (make) => {
    fc.assert(
      fc.property(
        seeds,
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 0, max: 5 }),
        (seed, tookMs, inFlight) => {
          const { balancer, endpoints } = over(make, seed, [1, 1]);
          const [known, unknown] = endpoints;
          if (known === undefined || unknown === undefined) return;
          call(known, 0, tookMs);
          for (let begun = 0; begun <= inFlight; begun += 1) unknown.begin(true, tookMs);
          for (let begun = 0; begun < inFlight; begun += 1) known.begin(true, tookMs);
          expect(balancer.pick({ nowMs: tookMs })).toBe(known);
        },
      ),
    );
  }),
  law("P4 failing fast draws no calls", (make) => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 5, max: 1000 }), fc.boolean(), (seed, tookMs, wasKnown) => {
        const { balancer, endpoints } = over(make, seed, [1, 1]);
        const [sound, sick] = endpoints;
        if (sound === undefined || sick === undefined) return;
        call(sound, 0, tookMs);
        if (wasKnown) call(sick, 0, tookMs);
        for (let turn = 0; turn < 12; turn += 1) call(sick, tookMs, 0.1, turn % 2 === 0 ? "failure" : "refused");
        sound.begin(true, tookMs);
        for (let pick = 0; pick < 10; pick += 1) expect(balancer.pick({ nowMs: tookMs + 1 })).toBe(sound);
      }),
    );
  }),
  law("P5 one that was slow is tried again by one call at a time", (make) => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 100, max: 5_000 }), (seed, tookMs) => {
        const { balancer, endpoints } = over(make, seed, [1, 1]);
        const [fast, slow] = endpoints;
        if (fast === undefined || slow === undefined) return;
        call(fast, 0, 5);
        call(slow, 0, tookMs);
        let nowMs = tookMs;
        for (; balancer.pick({ nowMs }) === fast; nowMs += 10) call(fast, nowMs - 5, 5);
        slow.begin(false, nowMs);
        for (let pick = 0; pick < 20; pick += 1) {
          expect(balancer.pick({ nowMs })).toBe(fast);
          if (pick < 5) fast.begin(true, nowMs);
        }
      }),
    );
  }),
  law("P6 a method that takes long makes nobody dear", (make) => {
    const factors = fc.integer({ min: 3, max: 500 });
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 20 }), factors, (seed, tookMs, factor) => {
        const { balancer, endpoints } = over(make, seed, [1, 1]);
        const [quick, long] = usualTimes(tookMs, tookMs * factor);
        const [one, other] = endpoints;
        if (one === undefined || other === undefined) return;
        const longMs = tookMs * factor;
        for (const endpoint of endpoints) call(endpoint, 0, tookMs, "ok", quick);
        call(one, tookMs, longMs, "ok", long);
        const nowMs = tookMs + longMs;
        call(other, longMs, tookMs, "ok", quick);
        const isEven = (atMs: number): boolean =>
          isLikely(countOf(400, () => balancer.pick({ nowMs: atMs })).get(one) ?? 0, 0.5, 400);
        expect(isEven(nowMs)).toBe(true);
        // One waits for a long call, as it does.
        one.begin(false, nowMs, long);
        other.begin(true, nowMs);
        const laterMs = nowMs + longMs / 2;
        call(other, laterMs - tookMs, tookMs, "ok", quick);
        expect(isEven(laterMs)).toBe(true);
      }),
    );
  }),
  law(
    "P7 a single pause is forgiven within a second or two; who is slow at every trial is tried ever more rarely",
    (make) => {
      const usualMs = fc.integer({ min: 2, max: 20 });
      fc.assert(
        fc.property(seeds, usualMs, fc.integer({ min: 5, max: 20 }), fc.boolean(), (seed, tookMs, factor, isSick) => {
          const { balancer, endpoints } = over(make, seed, [1, 1]);
          const [usual] = usualTimes(tookMs);
          const [fine, paused] = endpoints;
          if (fine === undefined || paused === undefined) return;
          const slowMs = factor * (tookMs + 5);
          for (const endpoint of endpoints) call(endpoint, 0, tookMs, "ok", usual);
          call(paused, tookMs, slowMs, "ok", usual);
          const trials: number[] = [];
          const fromMs = tookMs + slowMs;
          for (let nowMs = fromMs; nowMs < fromMs + 30_000; nowMs += Math.max(10, tookMs)) {
            const endpoint = balancer.pick({ nowMs });
            if (endpoint === paused) trials.push(nowMs - fromMs);
            call(endpoint, nowMs - tookMs, endpoint === paused && isSick ? slowMs : tookMs, "ok", usual);
          }
          expect(trials[0]).toBeLessThan(2_000);
          if (!isSick) expect(trials.filter((atMs) => atMs < 4_000).length).toBeGreaterThan(25);
          else expect(trials.length).toBeLessThan(10);
        }),
        { numRuns: 30 },
      );
    },
  ),
  law("P8 who is slow now and then gets few calls if the others are not, and its share if they are", (make) => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 2, max: 3 }), fc.boolean(), (seed, count, isOnlyOne) => {
        const { balancer, endpoints } = over(
          make,
          seed,
          Array.from({ length: count }, () => 1),
        );
        const random = seededRandom(~seed);
        const [usual] = usualTimes(5);
        const slowShare = isOnlyOne ? 0.1 : 0.02;
        let nowMs = 0;
        const counts = countOf(4_000, () => {
          nowMs += 30;
          const endpoint = balancer.pick({ nowMs });
          const isSlow = (endpoint === endpoints[0] || !isOnlyOne) && random() < slowShare;
          call(endpoint, nowMs, isSlow ? 300 : 5, "ok", usual);
          return endpoint;
        });
        const share = (endpoint: Endpoint): number => (counts.get(endpoint) ?? 0) / 4_000;
        if (isOnlyOne) expect(share(only(endpoints[0]))).toBeLessThan(0.055);
        else for (const endpoint of endpoints) expect(share(endpoint) * count).toBeGreaterThan(0.6);
      }),
      { numRuns: 30 },
    );
  }),
];

describeLaws("p2c-ewma", laws, subjectOf(make));

const settings =
  (change: Partial<BalancerOptions["balancing"]>): Make =>
  ({ random, balancing }) =>
    make({ random, balancing: { ...balancing, ...change } });

describeMutants("p2c-ewma: mutants", laws, [
  mutant("B1", "it stays with its first list", (options) => {
    const right = make(options);
    let isFirst = true;
    return {
      update: (endpoints, nowMs) => {
        if (isFirst) right.update(endpoints, nowMs);
        isFirst = false;
      },
      pick: (request, avoid) => right.pick(request, avoid),
    };
  }),
  mutant("B2", "failed calls are not looked at", (options) => {
    const right = make(options);
    return { update: (endpoints, nowMs) => right.update(endpoints, nowMs), pick: (request) => right.pick(request) };
  }),
  mutant("B3", "what was slow once stays slow", settings({ latencyDecayMs: 1e12 })),
  mutant("B4", "calls in flight are not looked at", (options) => new RandomChoice(options)),
  mutant(
    "B5",
    "idle ones are told apart by weight",
    choosing((endpoints) => endpoints.toSorted((a, b) => b.facts.weight - a.facts.weight)[0]),
  ),
  mutant(
    "B5",
    "weight decides between two, but who those are is chance",
    choosing((endpoints, _nowMs, random) => {
      const first = Math.floor(random() * endpoints.length);
      const one = endpoints[first];
      const other = endpoints[(first + 1 + Math.floor(random() * (endpoints.length - 1))) % endpoints.length];
      const [weight, otherWeight] = [one?.facts.weight ?? 0, other?.facts.weight ?? 0];
      return random() * (weight + otherWeight) < weight ? one : other;
    }),
  ),
  mutant(
    "B6",
    "warm-up is not looked at",
    choosing((endpoints) => endpoints.toSorted((a, b) => a.inFlight - b.inFlight)[0]),
  ),
  mutant(
    "P1",
    "latency is what was answered, and nothing else",
    (options) => new TwoChoices(options, (one, other) => (one.latencyMs + 1) / (other.latencyMs + 1)),
  ),
  mutant("P2", "every difference of latency counts", settings({ latencyTolerance: 1 })),
  mutant(
    "P3",
    "what is unknown costs nothing",
    (options) => new TwoChoices(options, (one, other) => (one.latencyMs + 0.01) / (other.latencyMs + 0.01)),
  ),
  mutant(
    "P5",
    "a trial says nothing before it has ended",
    (options) =>
      new TwoChoices(options, (one, other, nowMs) => {
        const { latencyDecayMs } = options.balancing;
        const price = (endpoint: Endpoint): number =>
          endpoint.latencyMs * Math.exp((endpoint.lastAnswerMs - nowMs) / latencyDecayMs) + 1;
        const ratio = price(one) / price(other);
        return ratio < 1.5 && ratio > 1 / 1.5 ? 1 : ratio;
      }),
  ),
  mutant(
    "P6",
    "a long call that runs is a late one",
    (options) =>
      new TwoChoices(options, (one, other, nowMs) => (one.silenceAt(nowMs) + 5) / (other.silenceAt(nowMs) + 5)),
  ),
  mutant("P7", "a pause is remembered for long", settings({ latencyDecayMs: 50_000 })),
  mutant("P7", "what is slow at every trial is tried all the time", settings({ latencyDecayMs: 300 })),
  mutant("P8", "slow answers are forgotten at once, however many follow", settings({ latencyDecayMs: 50 })),
  mutant(
    "P4",
    "failures are not looked at",
    (options) => new TwoChoices(options, (one, other) => (one.latencyMs + 1) / (other.latencyMs + 1)),
  ),
]);
