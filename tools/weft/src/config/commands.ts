import type { Command } from "commander";
import type { CommonFlags } from "../cli.ts";
import type { Terminal } from "../terminal.ts";

export interface SetFlags extends CommonFlags {
  readonly unchecked?: true;
}

/** `weft config …`. Each command is loaded when it is called. */
export function addConfigCommands(
  program: Command,
  { terminal, done }: { terminal: Terminal; done: (exitCode: number) => void },
): void {
  const config = program.command("config").description("settings that change while the mesh runs");
  const common = (command: Command): Command =>
    command
      .option("--data-dir <folder>", "folder of everything that is stored (WEFT_DATA_DIR)")
      .option("--json", "machine-readable output");

  common(config.command("get").description("what the configuration block holds"))
    .argument("[name]", "of this setting and its parts only: calls, or calls.user")
    .action(async (name: string | undefined, options: CommonFlags) => {
      const { getCommand } = await import("./get.ts");
      done(await getCommand(name, options, terminal));
    });

  common(config.command("set").description("change a setting of every process that has it, now"))
    .argument("<name>", "logLevel, calls.user.split …")
    .argument("<value>", "debug, '{\"2.0.0\":10}' …")
    .option("--unchecked", "whatever it is, for settings that this version does not know")
    .action(async (name: string, value: string, options: SetFlags) => {
      const { setCommand } = await import("./set.ts");
      done(await setCommand(name, value, options, terminal));
    });

  common(config.command("unset").description("back to what each process was started with"))
    .argument("<name>")
    .action(async (name: string, options: CommonFlags) => {
      const { setCommand } = await import("./set.ts");
      done(await setCommand(name, undefined, options, terminal));
    });

  common(config.command("watch").description("what changes, a line each; Ctrl-C ends it"))
    .argument("[name]", "of this setting and its parts only")
    .action(async (name: string | undefined, options: CommonFlags) => {
      const { watchCommand } = await import("./watch.ts");
      done(await watchCommand(name, options, terminal));
    });
}
