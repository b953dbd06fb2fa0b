import type { JsonValue } from "@weft/kit";
import fc from "fast-check";
import { expect, test } from "vitest";
import { balancingDefaults } from "../balancing/options.ts";
import { breakerDefaults } from "../breaker/options.ts";
import { bulkheadDefaults } from "../bulkhead/bulkhead.ts";
import { fallbackDefaults } from "../fallback/options.ts";
import { hedgingDefaults } from "../hedging/hedges.ts";
import { outlierDefaults } from "../outlier/options.ts";
import { retryDefaults } from "../retry/options.ts";
import { callPolicyOf, readCallPolicies } from "./call-policy.ts";

/** The problems of policies, a text each. */
function problems(value: JsonValue): string[] {
  const read = readCallPolicies(value);
  return "value" in read ? [] : read.problems.map(({ field, description }) => `${field} ${description}`);
}

test("without a word, a target is called by the defaults of each section", () => {
  expect(callPolicyOf("user")).toEqual({
    balancing: balancingDefaults,
    outliers: outlierDefaults,
    retry: retryDefaults,
    hedging: hedgingDefaults,
    breaker: breakerDefaults,
    bulkhead: bulkheadDefaults,
    fallback: fallbackDefaults,
    split: {},
    routes: [],
  });
});

test("what is said of a target goes over what is said of all, field by field", () => {
  const policies = {
    "*": { retry: { maxTries: 5, budgetShare: 0.2 }, breaker: { openMs: 2000 } },
    user: { retry: { maxTries: 2 }, breaker: null, split: { "2.0.0": 10 } },
  };
  expect(problems(policies)).toEqual([]);
  const user = callPolicyOf("user", policies);
  expect(user.retry).toMatchObject({ maxTries: 2, budgetShare: 0.2 });
  expect(user.breaker).toEqual(breakerDefaults);
  expect(user.split).toEqual({ "2.0.0": 10 });
  const search = callPolicyOf("search", policies);
  expect(search.retry).toMatchObject({ maxTries: 5, budgetShare: 0.2 });
  expect(search.breaker.openMs).toBe(2000);
  expect(search.split).toEqual({});
});

test("every problem is told with its path, and a name that nobody knows with the one that was meant", () => {
  const policies = {
    user: {
      retrys: {},
      retry: { maxTries: 0, budgetShare: "lots" },
      balancing: { policy: "p2c", key: { header: "a", field: "b" }, loadBound: 0.5 },
      split: { "2.0.0": 70, "3.0.0": 40 },
      routes: [{ header: "x", version: "2" }, { equals: "a", prefix: "b", header: "x", version: "2" }, { header: "x" }],
      outliers: { minCalls: 33 },
      colour: 1,
    },
    search: [],
  };
  expect(problems(policies)).toEqual([
    "user.retrys is not known; did you mean retry?",
    "user.colour is not known; there are balancing, outliers, retry, hedging, breaker, bulkhead, fallback, split, routes",
    `user.balancing.policy must be one of p2c-ewma, least-request, round-robin, weighted-round-robin, consistent-hash, sticky, random, not "p2c"`,
    "user.balancing.key needs one of header and field",
    "user.balancing.loadBound must be a number from 1.01 to 100, not 0.5",
    "user.outliers.minCalls must be a whole number from 1 to 32, not 33",
    "user.retry.maxTries must be a whole number from 1 to 10, not 0",
    `user.retry.budgetShare must be a number from 0 to 1, not "lots"`,
    "user.split adds up to more than 100",
    "user.routes[1] takes one of equals and prefix",
    "user.routes[2].version is required",
    "search must be an object",
  ]);
  expect(problems("user")).toEqual([" must be an object of policies by target"]);
});

test("what is fine for all and for a target, and not for both together, is refused", () => {
  const every = { balancing: { key: { header: "a" } }, split: { "2.0.0": 60 } };
  expect(problems({ "*": every, user: { balancing: { key: { field: "id" } }, split: { "3.0.0": 60 } } })).toEqual([
    "user.balancing.key needs one of header and field",
    "user.split adds up to more than 100",
  ]);
  const user = { balancing: { key: { header: null, field: "id" } }, split: { "2.0.0": 0, "3.0.0": 60 } };
  expect(problems({ "*": every, user })).toEqual([]);
  expect(callPolicyOf("user", { "*": every, user }).balancing.key).toEqual({ field: "id" });
});

test("any JSON is read or refused, and what is read gives a policy whose every section is there", () => {
  const names = fc.constantFrom("*", "user", "retry", "maxTries", "split", "routes", "balancing", "key", "header");
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom<unknown>(null, true, 0, 3, -1, 0.5, "", "p2c-ewma", Number.MAX_VALUE),
      fc.array(tie("json"), { maxLength: 3 }),
      fc.dictionary(names, tie("json"), { maxKeys: 4 }),
    ),
  }));
  fc.assert(
    fc.property(json, (value) => {
      const read = readCallPolicies(value as JsonValue); // Nothing but JSON was put together.
      if (!("value" in read)) {
        expect(read.problems.length).toBeGreaterThan(0);
        return;
      }
      const policy = callPolicyOf("user", read.value);
      expect(Object.keys(policy).sort()).toEqual(Object.keys(callPolicyOf("x")).sort());
      // Read again, it says the same: it is plain JSON.
      expect(callPolicyOf("user", { user: JSON.parse(JSON.stringify(policy)) as JsonValue })).toEqual(policy);
    }),
  );
});
