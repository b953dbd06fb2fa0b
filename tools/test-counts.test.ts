import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const count = (folder: string) =>
  execFileSync(process.execPath, [join(import.meta.dirname, "test-counts.mjs"), folder], { encoding: "utf8" });

test("sums all reports; a file that could not be loaded is one failure", async () => {
  const folder = await mkdtemp(join(tmpdir(), "weft-counts-"));
  try {
    const failedTest = { status: "failed", assertionResults: [{ status: "failed" }, { status: "passed" }] };
    const unloadable = { status: "failed", assertionResults: [] };
    await writeFile(
      join(folder, "unit.json"),
      JSON.stringify({ numPassedTests: 40, numFailedTests: 1, testResults: [failedTest, unloadable] }),
    );
    await writeFile(
      join(folder, "system.json"),
      JSON.stringify({ numPassedTests: 2, numFailedTests: 0, testResults: [] }),
    );
    expect(count(folder)).toBe("42 passed, 2 failed\n");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("without reports nothing has passed", () => {
  expect(count(join(tmpdir(), "weft-no-such-folder"))).toBe("0 passed, 0 failed\n");
});
