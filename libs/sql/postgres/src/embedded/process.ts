import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Clock, Log } from "@weft/kit";
import { type Command, environment } from "@weft/programs";
import { stopProcess } from "./leftover.ts";

/** Who runs it when we are root, and what else can be done. */
export const runAsOptions = {
  server: "PostgreSQL",
  otherwise: "set WEFT_SQL to a server",
  users: ["postgres", "nobody"],
} as const;

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A postgres process. Disposing shuts it down and resolves when it is gone. */
export interface ServerProcess extends AsyncDisposable {
  readonly pid: number;
  /** Resolves when it says that it accepts connections; never when it ends before that. */
  readonly accepting: Promise<void>;
  readonly ended: Promise<Exit>;
  /** What it said last. */
  lastLine(): string;
}

/** How long the output of an ended server is awaited, in milliseconds: processes of its own may hold it open. */
const outputMs = 500;

export function launch(
  { file, args, ...account }: Command,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): ServerProcess {
  // Detached: Ctrl-C at a terminal goes to the whole process group, and the server is to stop after its clients.
  const stdio: ["ignore", "ignore", "pipe"] = ["ignore", "ignore", "pipe"];
  const child = spawn(file, args, { ...account, stdio, cwd: "/", env: environment(), detached: true });
  const accepting = Promise.withResolvers<undefined>();
  let lastLine = "";
  createInterface({ input: child.stderr }).on("line", (line) => {
    lastLine = line;
    if (line.includes("ready to accept connections")) accepting.resolve(undefined);
    if (line.startsWith("LOG:")) log.debug({}, line);
    else log.warn({}, line);
  });
  let over = false;
  const ended = exitOf(child, clock).finally(() => (over = true));
  child.once("error", (error) => (lastLine = error.message));
  const stop = async (): Promise<void> => {
    if (!over && child.pid !== undefined) await stopProcess(child.pid, clock, () => !over);
    await ended;
  };
  let stopping: Promise<void> | undefined;
  return {
    pid: child.pid ?? 0,
    accepting: accepting.promise,
    ended,
    lastLine: () => lastLine,
    [Symbol.asyncDispose]: () => (stopping ??= stop()),
  };
}

async function exitOf(child: ChildProcess, clock: Clock): Promise<Exit> {
  const closed = once(child, "close");
  const exit = await new Promise<Exit>((resolve) => {
    child.once("error", () => resolve({ code: null, signal: null }));
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  const limit = new AbortController();
  await Promise.race([closed, clock.sleep(outputMs, limit.signal)]).catch(() => undefined);
  limit.abort();
  return exit;
}

/** Small and durable; on the command line, so that a newer Weft's settings hold for older data. */
export function serverSettings(): string[] {
  const values = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: "100",
    shared_buffers: "32MB",
    jit: "off",
    // Few processes: the mesh's tables are small.
    max_parallel_workers: "0",
    max_logical_replication_workers: "0",
    // For the outbox relay `replication`; its slot keeps no more than this.
    wal_level: "logical",
    max_slot_wal_keep_size: "1GB",
    // Tests read several logs side by side, each with two slots while it is made.
    max_replication_slots: "20",
    max_wal_senders: "20",
    log_checkpoints: "off",
    log_line_prefix: "",
    // Not the errors of statements: their callers get those. And never row values.
    log_min_messages: "log",
    log_error_verbosity: "terse",
    log_parameter_max_length: "0",
    log_min_error_statement: "panic",
  };
  return Object.entries(values).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}
