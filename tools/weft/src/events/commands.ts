import { type Command, InvalidArgumentError, Option } from "commander";
import type { AccessFlags } from "../cli.ts";
import type { Terminal } from "../terminal.ts";
import { parseWhen } from "./when.ts";

export interface TailFlags extends AccessFlags {
  /** Milliseconds since the epoch. */
  readonly from?: number;
  readonly key?: string;
  readonly type?: string;
  readonly follow?: true;
}

export interface DeadLetterFlags extends AccessFlags {
  readonly topic?: string;
  readonly group?: string;
  readonly key?: string;
  readonly reason?: string;
  readonly limit?: number;
}

export interface RedriveFlags extends Omit<DeadLetterFlags, "limit"> {
  readonly group: string;
  readonly event?: string;
  readonly all?: true;
}

export interface ReplayFlags extends AccessFlags {
  readonly topic?: string;
  readonly group: string;
  /** Milliseconds since the epoch. */
  readonly from: number;
  readonly to?: number;
  readonly key?: string;
  readonly event?: string;
}

/** The options of a command that calls the mesh. */
type AddAccess = (command: Command) => Command;

/** `weft events …`. Each command is loaded when it is called. */
export function addEventCommands(
  program: Command,
  { terminal, done, access }: { terminal: Terminal; done: (exitCode: number) => void; access: AddAccess },
): void {
  const events = program.command("events").description("the events of the mesh: look at them, and mend what failed");
  const topic = ["--topic <topic>", "of this topic"] as const;
  const key = ["--key <key>", "of this key only: the id of what it happened to"] as const;
  const reason = ["--reason <reason>", "that failed for this reason only, e.g. INVALID_ARGUMENT"] as const;
  const event = ["--event <id>", "the event of this id only"] as const;
  const from = "15m, 2h or 7d ago, a time like 2026-11-21T10:00:00Z, or earliest";

  access(events.command("tail").description("the events of a topic, a line each; Ctrl-C ends it"))
    .argument("[topic]", "may be left out while there is only one")
    .option("--from <when>", `begin there: ${from}; default earliest, with -f what comes next`, when)
    .option(...key)
    .option("--type <type>", "of this type only, e.g. UserCreated")
    .option("-f, --follow", "go on as events come")
    .action(async (name: string | undefined, options: TailFlags) => {
      const { tailCommand } = await import("./tail.ts");
      done(await tailCommand(name, options, terminal));
    });

  access(events.command("lag").description("how far consumers are behind, and what they gave up"))
    .argument("[group]", "of this group only")
    .action(async (group: string | undefined, options: AccessFlags) => {
      const { lagCommand } = await import("./lag.ts");
      done(await lagCommand(group, options, terminal));
    });

  access(events.command("dead-letters").description("what consumers gave up, the newest failure first"))
    .option(...topic)
    .option("--group <group>", "of this group only")
    .option(...key)
    .option(...reason)
    .option("--limit <count>", "at most so many, up to 500; default 100", limit)
    .action(async (options: DeadLetterFlags) => {
      const { deadLettersCommand } = await import("./dead-letters.ts");
      done(await deadLettersCommand(options, terminal));
    });

  access(events.command("redrive").description("deliver dead letters to their group again"))
    .option(...topic)
    .requiredOption("--group <group>", "the group that gave them up")
    .option(...event)
    .option(...key)
    .option(...reason)
    .addOption(new Option("--all", "all of them").conflicts(["event", "key", "reason"]))
    .action(async (options: RedriveFlags) => {
      const { redriveCommand } = await import("./redrive.ts");
      done(await redriveCommand(options, terminal));
    });

  access(events.command("replay").description("deliver what is in the log to a group again"))
    .requiredOption("--group <group>", "who gets them")
    .requiredOption("--from <when>", `what was published since: ${from}`, when)
    .option("--to <when>", "and before; default now", when)
    .option(...topic)
    .option(...key)
    .option(...event)
    .action(async (options: ReplayFlags) => {
      const { replayCommand } = await import("./replay.ts");
      done(await replayCommand(options, terminal));
    });

  access(events.command("republish").description("have an owner announce all that it has again, for who lacks some"))
    .argument("<what>", "users")
    .action(async (what: string, options: AccessFlags) => {
      const { republishCommand } = await import("./republish.ts");
      done(await republishCommand(what, options, terminal));
    });
}

function when(text: string): number {
  const time = parseWhen(text, Date.now());
  if (time === undefined) {
    throw new InvalidArgumentError(
      "Expected 15m, 2h or 7d, a time with its zone like 2026-11-21T10:00:00Z, or earliest.",
    );
  }
  return time;
}

function limit(text: string): number {
  const value = Number(text);
  if (!/^\d{1,3}$/.test(text) || value < 1 || value > 500) throw new InvalidArgumentError("Expected 1 to 500.");
  return value;
}
