import { Secret } from "@weft/kit";
import { expect, test } from "vitest";
import { readRedisUrl } from "./settings.ts";

const read = (url: string): ReturnType<typeof readRedisUrl> => readRedisUrl(new Secret(url));

test("a URL names a server, a user, a database and a namespace", () => {
  expect(read("redis://ann:p%40ss@db.example:7000/3?namespace=test")).toEqual({
    hosts: [{ host: "db.example", port: 7000 }],
    user: "ann",
    password: "p@ss",
    db: 3,
    tls: false,
    cluster: false,
    namespace: "test",
  });
  expect(read("redis://localhost")).toMatchObject({ hosts: [{ port: 6379 }], db: 0, namespace: "weft" });
});

test("TLS is the scheme rediss or the parameter", () => {
  expect(read("rediss://localhost").tls).toBe(true);
  expect(read("redis://localhost?tls=true").tls).toBe(true);
});

test("a cluster has several hosts and one database", () => {
  expect(read("redis://a:1,b:2?cluster=true")).toMatchObject({ cluster: true, hosts: [{ host: "a" }, { host: "b" }] });
});

test.each([
  "redis://a,b",
  "redis://a/1?cluster=true",
  "redis://a/one",
  "redis://a?cluster=yes",
  "redis://u:secret@a/x",
])("%s is refused, without its password", (url) => {
  expect(() => read(url)).toThrow(expect.objectContaining({ reason: "INVALID_CONFIGURATION" }));
  expect(() => read(url)).not.toThrow(/secret/);
});
