import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { within } from "@weft/kit/testing";
import { runCli } from "../cli.ts";
import { startTimeOf } from "../up/folder-lock.ts";
import { readStack } from "./stack-file.ts";

const servers = ["--only", "consul,postgres,redis"];
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weft-stack-"));
});
afterAll(async () => {
  await weft("down");
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}, 60_000);

async function weft(...argv: string[]) {
  let [stdout, stderr] = ["", ""];
  const code = await runCli(["stack", ...argv], {
    env: process.env,
    cwd: folder,
    stdin: process.stdin,
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  });
  return { code, stdout, stderr };
}

interface Status {
  readonly servers: readonly {
    readonly name: string;
    readonly state: string;
    readonly url: string;
    readonly pid: number;
  }[];
}

async function status(): Promise<Status["servers"]> {
  return (JSON.parse((await weft("status", "--json")).stdout) as Status).servers;
}

test(
  "comes up, stays as it is when asked again, is mended after a kill, and goes down",
  { timeout: 180_000 },
  async () => {
    const up = await weft("up", ...servers);
    expect(up).toMatchObject({ code: 0, stderr: "" });
    expect(up.stdout).toMatch(/^consul +runs consul:\/\/127\.0\.0\.1:\d+ after/m);
    const first = await status();
    expect(first.map(({ name, state }) => [name, state])).toEqual([
      ["consul", "running"],
      ["postgres", "running"],
      ["redis", "running"],
    ]);

    const again = await weft("up", ...servers);
    expect(again.stdout).toMatch(/^redis +runs already/m);
    expect(await status()).toEqual(first);

    for (const { pid } of first) process.kill(pid, "SIGKILL");
    await within(10_000, "all of them ended", async () => (await status()).every(({ state }) => state === "ended"));
    expect((await weft("up", ...servers)).code).toBe(0);
    const mended = await status();
    expect(mended.map(({ url }) => url)).toEqual(first.map(({ url }) => url));

    expect(await weft("down")).toMatchObject({ code: 0, stdout: "stopped: consul, postgres, redis\n" });
    expect(mended.map(({ pid }) => startTimeOf(pid))).toEqual([undefined, undefined, undefined]);
    expect(readStack(join(folder, ".weft"))).toEqual([]);
  },
);
