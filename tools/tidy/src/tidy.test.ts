import { describe, expect, test } from "vitest";
import { checkLinks } from "./links.ts";
import { checkPackage } from "./packages.ts";
import { checkText } from "./text.ts";

const lines = (count: number) => "x;\n".repeat(count);

describe("text", () => {
  test.each([
    ["libs/kit/src/x.ts", lines(400)],
    ["docs/long.md", lines(401)],
    ["apps/user/src/main.ts", lines(40)],
    ["tools/weft/src/main.ts", lines(41)],
    ["libs/kit/src/x.test.ts", `test.skipIf(absent)("…");`],
  ])("%s is fine", (path, text) => {
    expect(checkText(path, text)).toEqual([]);
  });

  test.each([
    ["libs/kit/src/x.ts", lines(401), "401 lines"],
    ["tools/x.mjs", lines(401), "401 lines"],
    ["apps/user/src/main.ts", lines(41), "41 lines"],
    ["a.md", "one\n\ttwo\n", "a.md:2: a tab"],
    ["a.json", "{}\r\n", "a.json:1: a carriage return"],
    ["a.ts", `// ${"TO" + "DO"}: later`, "a.ts:1: a note to self"],
    ["a.proto", `// ${"FIX" + "ME"}`, "a.proto:1: a note to self"],
    ["a.test.ts", `${"test"}.only("…");`, "a.test.ts:1: a test"],
    ["a.test.ts", `${"describe"}.concurrent.skip("…");`, "a.test.ts:1: a test"],
  ])("%s has a problem", (path, text, problem) => {
    expect(checkText(path, text)).toEqual([expect.stringContaining(problem)]);
  });
});

describe("packages", () => {
  const good = {
    name: "@weft/lock",
    private: true,
    type: "module",
    description: "Leases.",
    nx: { tags: ["type:port", "block:lock"] },
  };
  const check = (change: object) => checkPackage("libs/lock/port/package.json", JSON.stringify({ ...good, ...change }));

  test("one that says what it is", () => {
    expect(check({})).toEqual([]);
    expect(checkPackage("package.json", "{}")).toEqual([]);
  });

  test.each([
    [{ name: "lock" }, "name"],
    [{ private: false }, "private"],
    [{ type: "commonjs" }, "module"],
    [{ description: " " }, "description"],
    [{ nx: { tags: ["type:kit", "type:port", "block:lock"] } }, "one nx tag"],
    [{ nx: { tags: ["type:lib"] } }, "one nx tag"],
    [{ nx: undefined }, "one nx tag"],
    [{ nx: { tags: ["type:adapter"] } }, "its block"],
  ])("%j", (change, problem) => {
    expect(check(change)).toEqual([expect.stringContaining(problem)]);
  });
});

describe("links", () => {
  const tree = new Map([
    ["docs/a.md", "# One `flag` & more\n\n## One\n\n## One\n"],
    ["docs/picture.svg", ""],
  ]);
  const check = (text: string) => checkLinks("docs/index.md", text, (path) => tree.get(path));

  test.each([
    "[a](a.md) ![p](./picture.svg) [r](../docs/a.md)",
    "[a](a.md#one-flag--more) [b](a.md#one-1)",
    "# Here\n[here](#here)",
    "[out](https://example.com/x) [mail](mailto:a@example.com)",
    "`[code](gone.md)`\n\n```md\n[code](gone.md)\n```\n",
    "[ref]\n\n[ref]: a.md",
  ])("%s", (text) => {
    const own = new Map(tree).set("docs/index.md", text);
    expect(checkLinks("docs/index.md", text, (path) => own.get(path))).toEqual([]);
  });

  test.each(["[a](gone.md)", "[a](a.md#gone)", "[a](a.md#one-2)", "[up](../../a.md)", "[ref]: gone.md"])(
    "%s",
    (text) => {
      expect(check(text)).toEqual([expect.stringMatching(/leads (nowhere|to no heading)/)]);
    },
  );
});
