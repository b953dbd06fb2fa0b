import { expect, test } from "vitest";
import { contractOf, services } from "./index.ts";
import { UserService } from "./user.ts";

const methods = services.flatMap(({ service }) => service.methods);

test.each(methods.map((method) => [`${method.parent.typeName}/${method.name}`, method] as const))(
  "%s says who may call, how long, and at what rate",
  (_, method) => {
    const { policy, timeoutMs, http } = contractOf(method);
    expect(policy.access?.rule.case).toBeDefined();
    expect(policy.rateClass).not.toBe(0);
    expect(timeoutMs).toBeGreaterThan(0);
    expect(http?.pattern.case).toBeDefined();
    const streams = method.methodKind !== "unary";
    expect(policy.stream.case !== undefined).toBe(streams);
  },
);

test("no two methods share a route", () => {
  const routes = methods.map((method) => {
    const { http } = contractOf(method);
    return `${http?.pattern.case} ${http?.pattern.value}`;
  });
  expect(new Set(routes).size).toBe(routes.length);
});

test("a method is safe to retry if it reads, is idempotent, or carries a request id", () => {
  expect(contractOf(UserService.method.getUser)).toMatchObject({ retryable: true, noSideEffects: true });
  expect(contractOf(UserService.method.createUser)).toMatchObject({
    retryable: true,
    noSideEffects: false,
    requestIdField: "requestId",
  });
  expect(contractOf(UserService.method.importUsers).retryable).toBe(false);
});
