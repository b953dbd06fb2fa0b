import { DatabaseError } from "pg";
import { describe, expect, test } from "vitest";
import { Secret, WeftError } from "@weft/kit";
import { mayRetryTransaction, postgresError } from "./errors.ts";
import { openPostgres } from "./postgres.ts";

function serverError(code: string, values: { detail?: string; constraint?: string } = {}): DatabaseError {
  return Object.assign(new DatabaseError("message of the server", 0, "error"), { code, ...values });
}

function networkError(code: string): Error {
  return Object.assign(new Error(`connect ${code} 127.0.0.1:5432`), { code });
}

describe("an error of the database", () => {
  test.for([
    ["23505", "ALREADY_EXISTS"],
    ["23503", "FAILED_PRECONDITION"],
    ["22021", "INVALID_ARGUMENT"],
    ["28P01", "INVALID_CONFIGURATION"],
    ["3D000", "INVALID_CONFIGURATION"],
    ["40001", "CONFLICT"],
    ["40P01", "CONFLICT"],
    ["55P03", "CONFLICT"],
    ["53300", "RESOURCE_EXHAUSTED"],
    ["57014", "DEADLINE_EXCEEDED"],
    ["25P03", "DEADLINE_EXCEEDED"],
    ["57P01", "UNAVAILABLE"],
    ["57P03", "UNAVAILABLE"],
    ["08006", "UNAVAILABLE"],
    ["42601", "INTERNAL"],
    ["ZZZZZ", "INTERNAL"],
  ] as const)("SQLSTATE %s is %s", ([sqlState, reason]) => {
    expect(postgresError(serverError(sqlState))).toMatchObject({ reason, metadata: { sqlState } });
  });

  test.for([
    [networkError("ECONNREFUSED"), "UNAVAILABLE"],
    [new AggregateError([networkError("ECONNREFUSED"), networkError("ECONNREFUSED")]), "UNAVAILABLE"],
    [new Error("Connection terminated unexpectedly"), "UNAVAILABLE"],
    [new Error("timeout exceeded when trying to connect"), "RESOURCE_EXHAUSTED"],
    [new Error("Query read timeout"), "DEADLINE_EXCEEDED"],
    [new Error("anything else"), "INTERNAL"],
    ["not even an error", "INTERNAL"],
  ] as const)("%s is %s", ([error, reason]) => {
    expect(postgresError(error)).toMatchObject({ reason });
  });

  test("that is a WeftError already stays as it is", () => {
    const error = new WeftError("NOT_FOUND", "there is none");
    expect(postgresError(error)).toBe(error);
  });

  test("keeps no values of rows, neither for callers nor for the log", () => {
    const detail = "Key (email)=(ada@example.org) already exists.";
    const error = postgresError(serverError("23505", { detail, constraint: "users_email_key" }));
    expect(error.metadata).toEqual({ sqlState: "23505", constraint: "users_email_key" });
    const { cause } = error;
    expect(cause instanceof Error ? `${cause.stack} ${JSON.stringify(cause)}` : "").not.toContain("ada");
  });

  test("tells which transactions may be run again", () => {
    expect(mayRetryTransaction(postgresError(serverError("40001")))).toBe(true);
    expect(mayRetryTransaction(new WeftError("CONFLICT", "of the caller's own"))).toBe(false);
  });
});

test("a URL that is none is refused without repeating it", async () => {
  const opening = openPostgres({ url: new Secret("mysql://user:hunter2@host/db") });
  const error: unknown = await opening.catch((rejected: unknown) => rejected);
  expect(error).toMatchObject({ reason: "INVALID_CONFIGURATION" });
  expect(String(error)).not.toContain("hunter2");
});
