import { expect, test } from "vitest";
import { childOf, formatTraceparent, parseTraceparent } from "./index.ts";

const header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

test("a traceparent is read and written as it was", () => {
  const context = parseTraceparent(header, "vendor=1");
  expect(context).toEqual({
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: "b7ad6b7169203331",
    sampled: true,
    state: "vendor=1",
  });
  expect(context && formatTraceparent(context)).toBe(header);
});

test("a header of a later version is read by its first four parts", () => {
  expect(parseTraceparent(`01${header.slice(2)}-more`)?.traceId).toBe("0af7651916cd43dd8448eb211c80319c");
});

test.each([
  undefined,
  "",
  "garbage",
  header.toUpperCase(),
  `${header}-more`,
  `ff${header.slice(2)}`,
  "00-00000000000000000000000000000000-b7ad6b7169203331-01",
  "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
])("%s is no context", (text) => {
  expect(parseTraceparent(text)).toBeUndefined();
});

test("a child stays in the trace of its parent; without one a trace begins", () => {
  const parent = parseTraceparent(header);
  const child = childOf(parent);
  expect(child.traceId).toBe(parent?.traceId);
  expect(child.spanId).not.toBe(parent?.spanId);
  const root = childOf(undefined);
  expect(parseTraceparent(formatTraceparent(root))).toEqual(root);
});
