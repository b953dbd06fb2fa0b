import { WeftError } from "@weft/kit";
import { expect, test } from "vitest";
import { protocolType, toWeftError } from "./errors.ts";

/** As kafkajs makes them. */
function error(name: string, more: object = {}): Error {
  return Object.assign(new Error("something"), { name }, more);
}

const wrapped = (cause: Error): Error => Object.assign(error("KafkaJSNumberOfRetriesExceeded"), { cause });

test.each([
  ["a connection that is refused", error("KafkaJSConnectionError", { code: "ECONNREFUSED" }), "UNAVAILABLE"],
  ["one that was closed", wrapped(error("KafkaJSConnectionClosedError")), "UNAVAILABLE"],
  ["no answer", error("KafkaJSRequestTimeoutError"), "DEADLINE_EXCEEDED"],
  ["a broker that ran out of time", error("KafkaJSProtocolError", { type: "REQUEST_TIMED_OUT" }), "DEADLINE_EXCEEDED"],
  ["too few replicas", wrapped(error("KafkaJSProtocolError", { type: "NOT_ENOUGH_REPLICAS" })), "UNAVAILABLE"],
  ["a disk that fails", error("KafkaJSProtocolError", { type: "KAFKA_STORAGE_ERROR" }), "UNAVAILABLE"],
  ["a record that is too large", error("KafkaJSProtocolError", { type: "MESSAGE_TOO_LARGE" }), "PAYLOAD_TOO_LARGE"],
  [
    "a topic that is another's",
    wrapped(error("KafkaJSProtocolError", { type: "TOPIC_AUTHORIZATION_FAILED" })),
    "PERMISSION_DENIED",
  ],
  ["a bad login", error("KafkaJSSASLAuthenticationError"), "INVALID_CONFIGURATION"],
  ...[
    "Closed connection",
    "Connection error: read ECONNRESET",
    "Request SaslAuthenticate(key: 36, version: 1) timed out",
    "Not connected",
  ].map((why): [string, Error, string] => [
    `a login cut short: ${why}`,
    error("KafkaJSSASLAuthenticationError", { message: `SASL PLAIN authentication failed: ${why}` }),
    "UNAVAILABLE",
  ]),
  [
    "several topics at once",
    Object.assign(error("KafkaJSAggregateError"), {
      errors: [error("KafkaJSCreateTopicError", { type: "INVALID_REPLICATION_FACTOR" })],
    }),
    "INVALID_CONFIGURATION",
  ],
  ["one of Node", error("Error", { code: "ENOTFOUND" }), "UNAVAILABLE"],
  ["a bug", wrapped(new TypeError("x is undefined")), "INTERNAL"],
  ["no error at all", "text", "UNAVAILABLE"],
])("%s", (_, cause, reason) => {
  expect(toWeftError(cause, "publishing").reason).toBe(reason);
});

test("ours stay what they are", () => {
  const ours = new WeftError("DATA_LOSS", "gone");
  expect(toWeftError(ours, "reading")).toBe(ours);
});

test("the protocol's name is found under what wraps it, and a loop of causes ends", () => {
  expect(protocolType(toWeftError(wrapped(error("x", { type: "UNKNOWN_MEMBER_ID" })), "y"))).toBe("UNKNOWN_MEMBER_ID");
  const loop = error("x");
  loop.cause = loop;
  expect(protocolType(loop)).toBeUndefined();
});
