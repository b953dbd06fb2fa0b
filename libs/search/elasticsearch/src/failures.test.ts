import { errors } from "@elastic/elasticsearch";
import { WeftError } from "@weft/kit";
import { expect, test } from "vitest";
import { failureError, isPassing, reasonOf, toWeftError, wasNotSent } from "./failures.ts";

test.each([
  [404, "index_not_found_exception", "", "NOT_FOUND"],
  [400, "resource_already_exists_exception", "", "ALREADY_EXISTS"],
  [404, "search_context_missing_exception", "", "INVALID_PAGE_TOKEN"],
  [429, "es_rejected_execution_exception", "", "RESOURCE_EXHAUSTED"],
  [429, "circuit_breaking_exception", "", "RESOURCE_EXHAUSTED"],
  [
    429,
    "cluster_block_exception",
    "index [i] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];",
    "RESOURCE_EXHAUSTED",
  ],
  [403, "cluster_block_exception", "index [i] blocked by: [FORBIDDEN/8/index write (api)];", "FAILED_PRECONDITION"],
  [503, "cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/1/state not recovered];", "UNAVAILABLE"],
  [503, "unavailable_shards_exception", "", "UNAVAILABLE"],
  [504, "anything", "", "DEADLINE_EXCEEDED"],
  [401, "security_exception", "", "INVALID_CONFIGURATION"],
  [413, "anything", "", "PAYLOAD_TOO_LARGE"],
  [500, "anything", "", "UNKNOWN"],
  [400, "parsing_exception", "", "INTERNAL"],
])("%i %s %s is %s", (status, type, detail, reason) => {
  expect(reasonOf({ status, type, detail })).toBe(reason);
  expect(failureError({ status, type, detail }).reason).toBe(reason);
});

test("what is turned away may be taken a moment later, but not by a full disk", () => {
  expect(isPassing({ status: 429, type: "es_rejected_execution_exception", detail: "" })).toBe(true);
  expect(isPassing({ status: 503, type: "unavailable_shards_exception", detail: "" })).toBe(true);
  const full = { status: 429, type: "cluster_block_exception", detail: "index has read-only-allow-delete block" };
  expect(isPassing(full)).toBe(false);
  expect(failureError(full).message).toBe("Elasticsearch has no room left on its disk");
});

test("every error of the client has a reason", () => {
  expect(toWeftError(new errors.ConnectionError("connect ECONNREFUSED 127.0.0.1:1"))).toMatchObject({
    reason: "UNAVAILABLE",
  });
  expect(toWeftError(new errors.TimeoutError("late"))).toMatchObject({ reason: "DEADLINE_EXCEEDED" });
  expect(toWeftError(new errors.DeserializationError("Unexpected end", "{"))).toMatchObject({ reason: "UNAVAILABLE" });
  const own = new WeftError("NOT_FOUND", "x");
  expect(toWeftError(own)).toBe(own);
  expect(toWeftError(new TypeError("bug"))).toMatchObject({ reason: "INTERNAL" });
});

test("a refused connection has sent nothing, a reset one may have", () => {
  expect(wasNotSent(new errors.ConnectionError("connect ECONNREFUSED 127.0.0.1:1"))).toBe(true);
  expect(wasNotSent(new errors.ConnectionError("read ECONNRESET"))).toBe(false);
});
