import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runChaos } from "./chaos.ts";
import { textReport } from "./report.ts";

test("a careless consumer is found out", { timeout: 300_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "weft-chaos-"));
  try {
    const report = textReport(console.info);
    const options = {
      profile: "embedded",
      rounds: 1,
      seed: 24,
      perSecond: 60,
      quietMs: 10_000,
      folder,
      report,
    } as const;
    const result = await runChaos({ ...options, mutant: "careless" });
    expect(result.lost).toBeGreaterThan(0);
    expect(result.doubled).toBeGreaterThan(0);
    expect(result.resurrected).toBeGreaterThan(0);
    // For whoever wants to know what happened.
    expect(existsSync(folder)).toBe(true);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
});
