import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const [, entrypoint = "[]"] =
  /^ENTRYPOINT (.*)$/m.exec(readFileSync(join(import.meta.dirname, "../../../Dockerfile"), "utf8")) ?? [];

let folder: string;

beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "weft-entrypoint-"))));
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs `main` as an image does, and sends SIGTERM once it has said something. */
async function endOf(main: string): Promise<{ code: number | null; said: string }> {
  const [node, ...argv] = JSON.parse(entrypoint) as string[];
  expect([node, argv.at(-1)]).toEqual(["node", "main.js"]);
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  writeFileSync(join(folder, "main.js"), main);
  const child = spawn(process.execPath, argv, { cwd: folder, stdio: ["ignore", "pipe", "inherit"], timeout: 30_000 });
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => {
    if (said === "") child.kill("SIGTERM");
    said += chunk.toString();
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, said };
}

// As process 1 of a container nothing else would end it.
test("an image that is told to stop while its modules are loaded ends by itself", async () => {
  const main = 'console.log("loading"); setInterval(() => undefined, 1000); await new Promise(() => undefined);';
  expect(await endOf(main)).toEqual({ code: 143, said: "loading\n" });
});

test("and leaves signals to the service that listens for them", async () => {
  const main = `
    process.on("SIGTERM", () => setTimeout(() => { console.log("stopped"); process.exit(0); }, 100));
    console.log("ready");
    setInterval(() => undefined, 1000);
  `;
  expect(await endOf(main)).toEqual({ code: 0, said: "ready\nstopped\n" });
});
