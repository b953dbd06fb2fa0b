import { Command, CommanderError, InvalidArgumentError } from "commander";
import { WeftError } from "@weft/kit";
import { addConfigCommands } from "./config/commands.ts";
import { addEventCommands } from "./events/commands.ts";
import { type ServerName, serverNames } from "./stack/names.ts";
import type { Terminal } from "./terminal.ts";

/** The command line. The exit code: 0, or 1 with the reason on standard error. */
export async function runCli(argv: readonly string[], terminal: Terminal): Promise<number> {
  let exitCode = 0;
  const program = programOf(terminal, (code) => (exitCode = code));
  try {
    await program.parseAsync([...argv], { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
    for (const line of errorLines(error)) terminal.stderr.write(`weft: ${line}\n`);
    return 1;
  }
}

/** Each command is loaded when it is called: a start should not wait for the code of the others. */
function programOf(terminal: Terminal, done: (exitCode: number) => void): Command {
  const program = new Command("weft")
    .description("Runs the mesh on this machine and talks to it.")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, "weft: ")),
    })
    .showSuggestionAfterError();
  const dataDir = ["--data-dir <folder>", "folder of everything that is stored (WEFT_DATA_DIR)"] as const;
  const json = ["--json", "machine-readable output"] as const;
  /** The options of a command that calls the mesh. */
  const access = (command: Command): Command =>
    command
      .option("--token <token>", "access token; default the administrator's of the data folder")
      .option("--address <host:port>", "go there, rather than where discovery says")
      .option("--timeout <ms>", "deadline in milliseconds", count)
      .option(...dataDir)
      .option(...json);

  program
    .command("up")
    .description("start every process of the mesh; Ctrl-C stops them")
    .option("--replicas <service=n>", "how many of a service, e.g. user=3", collectReplicas, new Map<string, number>())
    .option("--port <port>", "port of the gateway (WEFT_PORT)")
    .option(...dataDir)
    .option("--profile <profile>", "embedded or stack (WEFT_PROFILE)")
    .option(...json)
    .action(async (options: UpFlags) => {
      const { upCommand } = await import("./up/command.ts");
      done(await upCommand(options, terminal));
    });

  program
    .command("status")
    .description("what runs, where, and how it is; whom it calls, and how those are")
    .option("--targets [service]", "each caller's view of whom it calls, or of one service, with its breakers")
    .option(...dataDir)
    .option(...json)
    .action(async (options: StatusFlags) => {
      const { statusCommand } = await import("./status.ts");
      done(await statusCommand(options, terminal));
    });

  program
    .command("logs")
    .description("what the processes said")
    .argument("[service]", "of this service only: user, or user-2 for its second replica")
    .option("-f, --follow", "go on as lines come")
    .option("-n, --lines <count>", "how many of the last lines", count, 100)
    .option(...dataDir)
    .option(...json)
    .action(async (service: string | undefined, options: LogsFlags) => {
      const { logsCommand } = await import("./logs.ts");
      done(await logsCommand(service, options, terminal));
    });

  access(program.command("call"))
    .description('call a method, e.g. user.v1.UserService/GetUser \'{"id":"…"}\'')
    .argument("<method>", "package, service and method; `weft.` may be left out")
    .argument("[request]", "JSON; a client stream reads a JSON value a line from standard input")
    .action(async (method: string, request: string | undefined, options: AccessFlags) => {
      const { callCommand } = await import("./call.ts");
      done(await callCommand({ method, request, ...options }, terminal));
    });

  addEventCommands(program, { terminal, done, access });
  addConfigCommands(program, { terminal, done });

  const stack = program
    .command("stack")
    .description("the real servers: Consul, Elasticsearch, Kafka, PostgreSQL, Redis");
  const only = ["--only <servers>", "of these only: consul,redis", serverList] as const;
  stack
    .command("up")
    .description("start them in the background, after installing what is missing")
    .option(...only)
    .option("--default-ports", "each on its usual port, rather than a free one")
    .option("--docker", "by docker compose, from docker-compose.yml")
    .option(...dataDir)
    .option(...json)
    .action(async (options: StackFlags) => {
      const { stackUpCommand } = await import("./stack/up.ts");
      done(await stackUpCommand(options, terminal));
    });
  stack
    .command("down")
    .description("stop them; their data stay")
    .option(...only)
    .option(...dataDir)
    .option(...json)
    .action(async (options: StackFlags) => {
      const { stackDownCommand } = await import("./stack/down.ts");
      done(await stackDownCommand(options, terminal));
    });
  stack
    .command("status")
    .description("where each is, and whether it answers")
    .option(...only)
    .option(...dataDir)
    .option(...json)
    .action(async (options: StackFlags) => {
      const { stackStatusCommand } = await import("./stack/status.ts");
      done(await stackStatusCommand(options, terminal));
    });

  program
    .command("doctor")
    .description("what this machine lacks, and how to get it")
    .option("--port <port>", "port of the gateway (WEFT_PORT)")
    .option(...dataDir)
    .option("--profile <profile>", "embedded or stack (WEFT_PROFILE)")
    .option(...json)
    .action(async (options: DoctorFlags) => {
      const { doctorCommand } = await import("./doctor/command.ts");
      done(await doctorCommand(options, terminal));
    });

  return program;
}

export interface CommonFlags {
  readonly dataDir?: string;
  readonly json?: true;
}

export interface StatusFlags extends CommonFlags {
  readonly targets?: string | true;
}

export interface UpFlags extends CommonFlags {
  readonly replicas: ReadonlyMap<string, number>;
  readonly port?: string;
  readonly profile?: string;
}

export interface StackFlags extends CommonFlags {
  readonly only?: readonly ServerName[];
  readonly defaultPorts?: true;
  readonly docker?: true;
}

export type DoctorFlags = Omit<UpFlags, "replicas">;

export interface LogsFlags extends CommonFlags {
  readonly follow?: true;
  readonly lines: number;
}

/** Of a command that calls the mesh. */
export interface AccessFlags extends CommonFlags {
  readonly token?: string;
  readonly address?: string;
  readonly timeout?: number;
}

function collectReplicas(text: string, before: Map<string, number>): Map<string, number> {
  const replicas = new Map(before);
  for (const part of text.split(",")) {
    const match = /^([a-z]+)=(\d{1,2})$/.exec(part.trim());
    if (match?.[1] === undefined) throw new InvalidArgumentError("Expected something like user=3.");
    replicas.set(match[1], Number(match[2]));
  }
  return replicas;
}

function serverList(text: string): readonly ServerName[] {
  return text.split(",").map((word) => {
    const name = serverNames.find((known) => known === word.trim());
    if (name === undefined) throw new InvalidArgumentError(`There are ${serverNames.join(", ")}.`);
    return name;
  });
}

function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw new InvalidArgumentError("Expected a whole number.");
  return value;
}

/** What went wrong, for people. A bug shows its stack: it is for those who mend it. */
function errorLines(error: unknown): string[] {
  if (error instanceof WeftError && error.reason !== "INTERNAL") {
    // Of a configuration each line is a problem of its own, and needs no reason after it.
    return error.message.split("\n");
  }
  const cause = error instanceof WeftError ? (error.cause ?? error) : error;
  return [cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)];
}
