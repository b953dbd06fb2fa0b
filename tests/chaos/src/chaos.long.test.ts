import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ChaosOptions, type ChaosResult, runChaos } from "./chaos.ts";
import { textReport } from "./report.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weft-chaos-"));
});

afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));

function run(options: Partial<ChaosOptions>): Promise<ChaosResult> {
  return runChaos({ profile: "embedded", rounds: 1, seed: 1, folder, report: textReport(console.info), ...options });
}

test(
  "embedded: whatever is killed, cut or frozen, nothing is lost, doubled or resurrected",
  { timeout: 300_000 },
  async () => {
    const { accepted, kills, ...result } = await run({ rounds: 5, seed: 13, roundMs: 4000 });
    expect(result).toEqual({ lost: 0, doubled: 0, resurrected: 0, seed: 13 });
    expect(accepted).toBeGreaterThan(50);
    expect(kills).toBeGreaterThan(1);
    expect(existsSync(folder)).toBe(false);
  },
);
