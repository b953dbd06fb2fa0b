import { expect, test } from "vitest";
import { Secret } from "@weft/kit";
import { readPostgresUrl } from "./url.ts";

const read = (url: string) => readPostgresUrl(new Secret(url));

test("a URL is read with everything that it says", async () => {
  const url = "postgresql://me:s%40crEt@[::1]:6000/my%20db?application_name=tool&poolSize=3&lockTimeoutMs=7";
  expect(await read(url)).toEqual({
    server: {
      host: "::1",
      port: 6000,
      user: "me",
      password: "s@crEt",
      database: "my db",
      application_name: "tool",
      ssl: false,
    },
    limits: { poolSize: 3, lockTimeoutMs: 7 },
  });
  expect(await read("postgres://host/db")).toEqual({
    server: { host: "host", port: 5432, database: "db", ssl: false },
    limits: {},
  });
  expect((await read("postgres:///db?host=/run/postgresql")).server.host).toBe("/run/postgresql");
});

test("TLS is as strict as libpq's modes say", async () => {
  const tlsOf = async (query: string) => (await read(`postgres://host/db?${query}`)).server.ssl;
  expect(await tlsOf("sslmode=disable")).toBe(false);
  expect(await tlsOf("sslmode=require")).toEqual({ rejectUnauthorized: false });
  expect(await tlsOf("sslmode=verify-full")).toEqual({ rejectUnauthorized: true });
  expect(await tlsOf("sslmode=verify-full&sslrootcert=system")).toEqual({ rejectUnauthorized: true });
});

test.each([
  ["mysql://user:hunter2@host/db", "the database URL is not of the form"],
  ["postgres://user:hunter2@host:99999/db", "the database URL is not of the form"],
  ["postgres://user:hunter2@/db", "the database URL"],
  ["postgres://user:?hunter2@host/db", "the database URL is not of the form"],
  ["postgres://user:1/hunter2@host/db", "the database URL is not of the form"],
  ["postgres://user:hunter2%zz@host/db", "the database URL is not percent-encoded"],
  ["postgres://user:hunter2@host/db?connect_timeout=1", "has no parameter 'connect_timeout'; there are host, sslmode"],
  ["postgres://user:hunter2@host/db?poolSize=0", "poolSize of the database URL is a whole number from 1 to 1000"],
  [
    "postgres://user:hunter2@host/db?statementTimeoutMs=1.5",
    "statementTimeoutMs of the database URL is a whole number",
  ],
  ["postgres://user:hunter2@host/db?sslmode=prefer", "is one of disable, require, verify-ca, verify-full"],
  ["postgres://user:hunter2@host/db?sslrootcert=ca.pem", "has sslrootcert, and no sslmode"],
  ["postgres://user:hunter2@host/db?sslmode=verify-ca", "needs an sslrootcert of your own"],
  ["postgres://user:hunter2@host/db?sslmode=verify-full&sslrootcert=/none.pem", "can't be read: /none.pem"],
])("%s is refused without repeating the password", async (url, message) => {
  const error: unknown = await read(url).catch((rejected: unknown) => rejected);
  expect(error).toMatchObject({ reason: "INVALID_CONFIGURATION", message: expect.stringContaining(message) });
  expect(String(error)).not.toContain("hunter2");
});
