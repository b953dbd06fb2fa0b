import fc from "fast-check";
import { expect, test } from "vitest";
import { decodePageToken, encodePageToken, pageSize, parseOrderBy } from "./index.ts";

test("a token gives its content back for its own query only", () => {
  const content = { after: ["x", 3], id: "é" };
  const token = encodePageToken(content, "q1");
  expect(token).toMatch(/^[A-Za-z0-9_-]+$/);
  expect(decodePageToken(token, "q1")).toEqual(content);
  expect(() => decodePageToken(token, "q2")).toThrow(expect.objectContaining({ reason: "INVALID_PAGE_TOKEN" }));
});

test("a token changed in any character, and any other text, is INVALID_PAGE_TOKEN", () => {
  const token = encodePageToken({ id: "7" }, "q");
  const refused = expect.objectContaining({ reason: "INVALID_PAGE_TOKEN" });
  for (let at = 0; at < token.length; at += 1) {
    const forged = token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
    expect(() => decodePageToken(forged, "q")).toThrow(refused);
  }
  for (const text of ["", token.slice(1), `${token}=`, `${token}A`, ` ${token}`, "null"]) {
    expect(() => decodePageToken(text, "q")).toThrow(refused);
  }
  fc.assert(
    fc.property(fc.string({ maxLength: 80 }), (text) => {
      expect(() => decodePageToken(text, "q")).toThrow(refused);
    }),
  );
});

test("page sizes are coerced, negative ones refused", () => {
  const limits = { default: 20, max: 200 };
  expect([0, 1, 200, 201].map((requested) => pageSize(requested, limits))).toEqual([20, 1, 200, 200]);
  expect(() => pageSize(-1, limits)).toThrow(
    expect.objectContaining({
      reason: "INVALID_ARGUMENT",
      violations: [{ field: "page_size", description: "must not be negative" }],
    }),
  );
});

test("an order is fields with directions", () => {
  expect(parseOrderBy("", ["a"])).toEqual([]);
  expect(parseOrderBy(" a desc,b ,c asc", ["a", "b", "c"])).toEqual([
    { field: "a", descending: true },
    { field: "b", descending: false },
    { field: "c", descending: false },
  ]);
});

test.each(["x", "a,", "a down", "a desc desc", "a,a desc", "A"])("the order %j is INVALID_FILTER", (text) => {
  expect(() => parseOrderBy(text, ["a", "b"])).toThrow(expect.objectContaining({ reason: "INVALID_FILTER" }));
});
