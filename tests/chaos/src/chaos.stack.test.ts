import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readServerNames, serverNames, whatIsMissing } from "@weft/native";
import { expect, test } from "vitest";
import { runChaos } from "./chaos.ts";
import { textReport } from "./report.ts";

const required = readServerNames(process.env["REQUIRE_BACKENDS"] ?? "");
const optional = serverNames.filter((name) => !required.includes(name));
const missing = (await Promise.all(optional.map((name) => whatIsMissing(name)))).filter((why) => why !== undefined);
for (const { sentence } of missing) console.warn(`chaos on the real servers is left out: ${sentence}`);

test.skipIf(missing.length > 0)(
  "on the real servers: whatever is killed, cut or frozen, nothing is lost, doubled or resurrected",
  { timeout: 600_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "weft-chaos-"));
    try {
      const report = textReport(console.info);
      const result = await runChaos({ profile: "stack", rounds: 4, seed: 1841, roundMs: 8000, folder, report });
      expect(result).toMatchObject({ lost: 0, doubled: 0, resurrected: 0 });
      expect(result.accepted).toBeGreaterThan(50);
    } finally {
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    }
  },
);
