import { systemClock, WeftError } from "@weft/kit";
import { stopSignal } from "@weft/native";
import type { StackFlags } from "../cli.ts";
import type { Terminal } from "../terminal.ts";
import { readLookConfig } from "../up/config.ts";
import { dockerDown } from "./docker.ts";
import { serverNames } from "./names.ts";
import { livesOn, readStack, type StackServer, writeStack } from "./stack-file.ts";

/** How long a server may take to end in order, in milliseconds. */
const stopTimeoutMs = 30_000;
const killTimeoutMs = 10_000;
const lookMs = 50;

/** Stops the servers; their data stay. The exit code is 1 when one of them can't be stopped. */
export async function stackDownCommand(flags: StackFlags, terminal: Terminal): Promise<number> {
  const { dataDir } = readLookConfig(flags, terminal);
  const names = flags.only ?? serverNames;
  const known = readStack(dataDir).filter(({ name }) => names.includes(name));
  const contained = known.filter((server) => server.process === undefined);
  if (contained.length > 0) await dockerDown(contained, terminal);
  const outcomes = await Promise.allSettled(known.map(stopStackServer));
  const stopped = known.filter((_, index) => outcomes[index]?.status === "fulfilled");
  writeStack(
    dataDir,
    readStack(dataDir).filter(({ name }) => !stopped.some((server) => server.name === name)),
  );
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") terminal.stderr.write(`weft: ${WeftError.from(outcome.reason).message}\n`);
  }
  if (flags.json === true) {
    terminal.stdout.write(`${JSON.stringify({ stopped: stopped.map(({ name }) => name) })}\n`);
  } else {
    const told = stopped.length === 0 ? "nothing ran" : `stopped: ${stopped.map(({ name }) => name).join(", ")}`;
    terminal.stdout.write(`${told}\n`);
  }
  return stopped.length === known.length ? 0 : 1;
}

/** Resolves when its process is gone: in order, or by force when that takes too long. */
export async function stopStackServer(server: StackServer): Promise<void> {
  const { name, process: own } = server;
  if (own === undefined) return;
  for (const [signal, limitMs] of [
    [stopSignal(name), stopTimeoutMs],
    ["SIGKILL", killTimeoutMs],
  ] as const) {
    const until = systemClock.monotonic() + limitMs;
    if (livesOn(server)) send(own.pid, signal);
    while (livesOn(server) && systemClock.monotonic() < until) await systemClock.sleep(lookMs);
    if (!livesOn(server)) return;
  }
  throw new WeftError("UNAVAILABLE", `${name} (process ${own.pid}) can't be stopped`);
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile, or is not ours: then it goes on living, which is told.
  }
}
