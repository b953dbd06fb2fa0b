import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cleanEnvironment, runningMesh, startMesh, until } from "./mesh.ts";

const root = join(import.meta.dirname, "../../..");

interface Step {
  readonly command: string;
  /** What is printed, without white space: the page shows JSON with indents. */
  readonly output: RegExp;
}

test("the tour of the README prints what it says", async () => {
  await using mesh = runningMesh() ?? (await startMesh());
  const markdown = await readFile(join(root, "README.md"), "utf8");
  const here = markdown
    .replaceAll("http://127.0.0.1:8080", mesh.url)
    .replaceAll("$(cat .weft/", `$(cat ${mesh.dataDir}/`);
  const steps = stepsOf(here);
  expect(steps.length).toBeGreaterThan(5);
  using shell = new Shell(mesh.env);
  for (const { command, output } of steps) {
    let printed = await shell.run(command);
    // A reader takes a breath between two steps, and events need a few milliseconds: what only reads is asked again.
    const reads = !command.includes("-d '{") && !command.includes("--data-binary");
    if (reads) {
      await until(
        async () => {
          if (output.test(printed)) return true;
          printed = await shell.run(command);
          return false;
        },
        { what: () => `${command}\nto print ${output.source}\nnow ${printed}` },
      );
    }
    expect(printed, command).toMatch(output);
  }
});

/** Blocks marked `sh`, each with the `json` block that follows it. */
function stepsOf(markdown: string): Step[] {
  const blocks = [...markdown.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, kind, text = ""]) => ({ kind, text }));
  return blocks.flatMap(({ kind, text }, at) => {
    const next = blocks[at + 1];
    return kind === "sh" ? [{ command: text, output: pattern(next?.kind === "json" ? next.text : "…") }] : [];
  });
}

/** The text of a block, with … for anything. */
function pattern(output: string): RegExp {
  const parts = output
    .replaceAll(/\s/g, "")
    .split("…")
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`);
}

/** One shell for all steps, so that variables live on. */
class Shell implements Disposable {
  readonly #bash;
  #printed = "";

  constructor(env: Readonly<Record<string, string>>) {
    this.#bash = spawn("bash", [], {
      cwd: root,
      env: { ...cleanEnvironment(), ...env },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#bash.stdout.setEncoding("utf8").on("data", (text: string) => (this.#printed += text));
  }

  /** What the commands print, without white space; fails when the last of them does, or after 30 s. */
  async run(commands: string): Promise<string> {
    this.#printed = "";
    this.#bash.stdin.write(`${commands}\necho "<<$?>>"\n`);
    const late = AbortSignal.timeout(30_000);
    for (;;) {
      const end = /<<(\d+)>>\n$/.exec(this.#printed);
      if (end !== null) {
        expect(end[1], commands).toBe("0");
        return this.#printed.slice(0, end.index).replaceAll(/\s/g, "");
      }
      await once(this.#bash.stdout, "data", { signal: late });
    }
  }

  [Symbol.dispose](): void {
    this.#bash.kill();
  }
}
