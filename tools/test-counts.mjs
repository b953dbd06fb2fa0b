// Sums the reports that vitest left in a folder: the last line of `.ci/run`. Runs on Node 20, with nothing installed.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const folder = process.argv[2];
if (folder === undefined) throw new Error("usage: node tools/test-counts.mjs <folder of vitest's json reports>");

let passed = 0;
let failed = 0;
for (const name of reports(folder)) {
  const report = JSON.parse(readFileSync(join(folder, name), "utf8"));
  passed += report.numPassedTests;
  failed += report.numFailedTests;
  // A file that can't be loaded or set up fails without a failed test: it is one failure itself.
  for (const file of report.testResults) {
    if (file.status === "failed" && !file.assertionResults.some(({ status }) => status === "failed")) failed += 1;
  }
}
console.log(`${passed} passed, ${failed} failed`);

function reports(folder) {
  try {
    return readdirSync(folder).filter((name) => name.endsWith(".json"));
  } catch {
    return [];
  }
}
