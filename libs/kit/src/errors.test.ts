import { expect, test } from "vitest";
import { errorCode, isReason, isWeftError, type Reason, reasonOfCode, reasons, WeftError } from "./index.ts";

test("the reason decides code, retry and HTTP status", () => {
  const error = new WeftError("ETAG_MISMATCH", "changed meanwhile", { metadata: { id: "7" } });
  expect(error).toMatchObject({ code: "ABORTED", retryable: false, httpStatus: 409, metadata: { id: "7" } });
  expect(isWeftError(error, "ABORTED")).toBe(true);
  expect(isWeftError(error, "ETAG_MISMATCH", "NOT_FOUND")).toBe(true);
  expect(isWeftError(error, "NOT_FOUND")).toBe(false);
  expect(isWeftError(new Error("no"))).toBe(false);
});

test("anything thrown becomes a WeftError", () => {
  const known = new WeftError("NOT_FOUND", "no such user");
  expect(WeftError.from(known)).toBe(known);
  expect(WeftError.from(new DOMException("gone", "AbortError")).code).toBe("CANCELLED");
  expect(WeftError.from(new DOMException("late", "TimeoutError")).code).toBe("DEADLINE_EXCEEDED");
  const bug = new TypeError("x is not a function");
  expect(WeftError.from(bug)).toMatchObject({ code: "INTERNAL", message: "an unexpected error", cause: bug });
  expect(WeftError.from("text").code).toBe("INTERNAL");
});

test("the code of an error is told where it has one", () => {
  expect(errorCode(Object.assign(new Error("no such file"), { code: "ENOENT" }))).toBe("ENOENT");
  expect(errorCode(new WeftError("LEASE_LOST", "gone"))).toBe("FAILED_PRECONDITION");
  expect(errorCode(new DOMException("gone", "AbortError"))).toBeUndefined();
  expect(errorCode({ code: "ENOENT" })).toBeUndefined();
});

test("every code has a reason that stands for it", () => {
  for (const [reason, { code }] of Object.entries(reasons)) {
    const standIn: Reason = reasonOfCode(code);
    expect(isReason(reason)).toBe(true);
    if (code !== "ABORTED") expect(reasons[standIn].code).toBe(code);
  }
  expect(reasonOfCode("ABORTED")).toBe("CONFLICT");
  expect(reasonOfCode("OUT_OF_RANGE")).toBe("INVALID_ARGUMENT");
  expect(isReason("toString")).toBe(false);
});
