import { expect, test } from "vitest";
import { parseServerUrl, Secret } from "./index.ts";

const parse = (url: string) =>
  parseServerUrl(new Secret(url), { scheme: "kafka", defaultPort: 9092, parameters: ["timeout"] });

test("hosts, credentials, path and parameters", () => {
  expect(parse("kafka://me:p%40ss:w@a:1,b,[::1]:3/x/y/?namespace=shop&tls=true&timeout=5")).toEqual({
    hosts: [
      { host: "a", port: 1 },
      { host: "b", port: 9092 },
      { host: "::1", port: 3 },
    ],
    user: "me",
    password: "p@ss:w",
    path: "x/y",
    namespace: "shop",
    tls: true,
    parameters: { timeout: "5" },
  });
  expect(parse("kafka://127.0.0.1")).toMatchObject({
    user: undefined,
    password: undefined,
    path: "",
    namespace: "weft",
  });
  expect(parse("kafka://:token@h")).toMatchObject({ user: undefined, password: "token" });
});

test.each([
  ["kafka:", "look like this"],
  ["kafka://h:0", "valid name or port"],
  ["kafka://h:99999", "valid name or port"],
  ["kafka://a,,b", "valid name or port"],
  ["kafka://%zz:s3cret@h", "percent-encoded"],
  ["kafka://s3cret@h?namespace=A_b", "namespace"],
  ["kafka://s3cret@h?tls=yes", "tls"],
  ["kafka://s3cret@h?nonsense=1", "'nonsense'"],
  // Characters of a password that end the address unless they are percent-encoded.
  ["kafka://me:a?s3cret@h", "look like this"],
  ["kafka://me:a?s3cret&b@h", "look like this"],
  ["kafka://me:1/s3cret@h", "look like this"],
  ["kafka://me:a#s3cret@h", "look like this"],
])("%s is refused, and not repeated", (url, message) => {
  expect(() => parse(url)).toThrow(message);
  expect(() => parse(url)).not.toThrow("s3cret");
});
