import { Secret } from "@weft/kit";
import { expect, test } from "vitest";
import { Names } from "./names.ts";
import { readSettings } from "./settings.ts";

test("a URL gives brokers, login and what new topics are like", () => {
  const url = new Secret(
    "kafka://ann:p%40ss@a:9093,b?namespace=dev&tls=true&mechanism=scram-sha-512&compression=gzip&replication=3&minInsync=2&retentionHours=24",
  );
  const { login, ...settings } = readSettings(url);
  expect(settings).toEqual({
    brokers: [
      { host: "a", port: 9093 },
      { host: "b", port: 9092 },
    ],
    namespace: "dev",
    tls: true,
    gzip: true,
    replication: 3,
    minInsync: 2,
    retentionMs: 86_400_000,
  });
  expect(login).toMatchObject({ mechanism: "scram-sha-512", username: "ann" });
  expect(login?.password.reveal()).toBe("p@ss");
  expect(readSettings(new Secret("kafka://a"))).toMatchObject({
    brokers: [{ host: "a", port: 9092 }],
    namespace: "weft",
    login: undefined,
    gzip: false,
    replication: undefined,
    retentionMs: 7 * 86_400_000,
  });
});

test.each([
  "kafka://a/topic",
  "kafka://ann@a",
  "kafka://a?compression=zstd",
  "kafka://a?replication=0",
  "kafka://a?mechanism=oauth",
  "kafka://a?retentionHours=1.5",
  "kafka://a?acks=0",
])("%s is refused", (url) => {
  expect(() => readSettings(new Secret(url))).toThrow(expect.objectContaining({ reason: "INVALID_CONFIGURATION" }));
});

test("names of the default namespace are plain on the broker, and all are short enough for Kafka", () => {
  const [plain, other] = [new Names("weft"), new Names("dev")];
  expect(plain.of("weft.user.v1")).toBe("weft.user.v1");
  expect(other.of("weft.user.v1")).toBe("dev.weft.user.v1");
  expect(other.plain("dev.weft.user.v1")).toBe("weft.user.v1");
  expect(plain.retry("t", "g")).toBe("t.retry.g");
  expect(other.dead("t", "g")).toBe("dev.t.dlt.g");
  const [topic, group] = ["t".repeat(200), "g".repeat(200)];
  const long = [other.retry(topic, group), other.dead(topic, group), other.retry(topic, group.slice(1))];
  expect(new Set(long).size).toBe(3);
  for (const name of long) expect(name).toMatch(/^dev\.t{200}[A-Za-z0-9._-]{1,45}$/);
});
