import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { reasons } from "@weft/kit";
import { expect, test } from "vitest";
import { pages } from "./pages.ts";

const root = join(import.meta.dirname, "../../..");

test("the generated pages are what the code says", async () => {
  for (const [path, text] of await pages()) {
    expect(await readFile(join(root, path), "utf8"), `${path}: run \`npm run docs\``).toBe(text);
  }
});

test("every reason stands in the table of errors, and nothing else does", async () => {
  const page = await readFile(join(root, "docs/reference/errors.md"), "utf8");
  const listed = [...page.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, reason]) => reason);
  expect(listed.sort()).toEqual(Object.keys(reasons).sort());
});
