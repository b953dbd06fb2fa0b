import { inspect } from "node:util";
import { WeftError } from "@weft/kit";
import { expect, test } from "vitest";
import { toWeftError } from "./errors.ts";

/** As papi makes it: with the response, and on that the request with its token. */
function answered(statusCode: number, body?: string): Error {
  const response = { statusCode, headers: {}, body, req: { headers: { "x-consul-token": "s3cret" } } };
  return Object.assign(new Error("request failed"), { isPapi: true, isResponse: true, response });
}

test.each([
  [400, "Bad request: Must specify service name", "INVALID_ARGUMENT"],
  [403, "Permission denied: anonymous token lacks permission 'service:write' on \"weft-user\"", "PERMISSION_DENIED"],
  [403, "ACL not found", "INVALID_CONFIGURATION"],
  [404, 'Unknown check ID "x"', "NOT_FOUND"],
  [409, "", "CONFLICT"],
  [413, "Request body too large", "PAYLOAD_TOO_LARGE"],
  [429, "Your IP is issuing too many concurrent connections", "RESOURCE_EXHAUSTED"],
  [500, "No cluster leader", "UNAVAILABLE"],
  [500, "rpc error making call: EOF", "UNAVAILABLE"],
  [503, "rate limit exceeded", "UNAVAILABLE"],
  [301, "Moved Permanently", "UNKNOWN"],
])("%i %s is %s", (status, body, reason) => {
  const error = toWeftError(answered(status, body), "Consul's kv");
  expect(error).toMatchObject({ reason, message: `Consul's kv: Consul answered ${status} ${body}` });
  expect(inspect(error, { depth: 9 })).not.toContain("s3cret");
});

test.each(["ECONNREFUSED", "ECONNRESET", "EPIPE", "ENOTFOUND", "ETIMEDOUT", "CERT_HAS_EXPIRED"])(
  "%s is UNAVAILABLE, with its cause",
  (code) => {
    const cause = Object.assign(new Error(`connect ${code}`), { code });
    expect(toWeftError(cause, "Consul's kv")).toMatchObject({ reason: "UNAVAILABLE", cause });
  },
);

test("what else a request may fail with is told too", () => {
  const deadline = new WeftError("DEADLINE_EXCEEDED", "late");
  expect(toWeftError(deadline, "it")).toBe(deadline);
  expect(toWeftError(Object.assign(new Error("a"), { isAbort: true }), "it").reason).toBe("CANCELLED");
  expect(toWeftError(Object.assign(new Error("a"), { isCodec: true }), "it").reason).toBe("UNKNOWN");
  expect(toWeftError(new TypeError("undefined is not a function"), "it").reason).toBe("INTERNAL");
  expect(toWeftError("no error at all", "it").reason).toBe("INTERNAL");
  expect(toWeftError(answered(502, "x".repeat(1000)), "it").message.length).toBeLessThan(400);
});
