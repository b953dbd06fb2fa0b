import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock, WeftError } from "@weft/kit";
import type { LogsFlags } from "./cli.ts";
import { Follower, type Line, timeOf } from "./log-follower.ts";
import { parseLine, renderLine } from "./render.ts";
import { paintFor, type Terminal } from "./terminal.ts";
import { readLookConfig } from "./up/config.ts";

/** How often a followed file is looked at, in milliseconds. */
const pollMs = 200;

/** Prints the last lines of the log files, in the order of their time, and goes on if asked to. */
export async function logsCommand(service: string | undefined, flags: LogsFlags, terminal: Terminal): Promise<number> {
  const folder = join(readLookConfig(flags, terminal).dataDir, "logs");
  const names = namesIn(folder).filter((name) => matches(name, service));
  if (names.length === 0) {
    const what = service === undefined ? "there are no logs" : `there is no log of ${service}`;
    throw new WeftError("NOT_FOUND", `${what} in ${folder}`);
  }
  const paint = paintFor(terminal.stdout, terminal.env);
  const width = Math.max(...names.map((name) => name.length));
  const print = ({ name, text }: Line): void => {
    if (flags.json === true) {
      const line = parseLine(text) === undefined ? JSON.stringify({ service: name, msg: text }) : text;
      terminal.stdout.write(`${line}\n`);
    } else {
      const prefix = paint("cyan", `${name.padEnd(width)} │`);
      for (const part of renderLine(text, paint).split("\n")) terminal.stdout.write(`${prefix} ${part}\n`);
    }
  };

  const followers = names.map((name) => new Follower(folder, name));
  const lines = followers.flatMap((follower) => [...linesBefore(folder, follower.name), ...follower.read()]);
  for (const line of lastOf(lines, flags.lines)) print(line);
  if (flags.follow !== true) return 0;

  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  while (!stop.signal.aborted) {
    await systemClock.sleep(pollMs, stop.signal).catch(() => undefined);
    // Services that came later too.
    for (const name of namesIn(folder).filter((one) => matches(one, service))) {
      if (!followers.some((follower) => follower.name === name)) followers.push(new Follower(folder, name));
    }
    for (const line of sorted(followers.flatMap((follower) => follower.read()))) print(line);
  }
  return 0;
}

/** The file that was put aside last: the newest may have just begun. */
function linesBefore(folder: string, name: string): Line[] {
  const path = join(folder, `${name}.log.1`);
  if (!existsSync(path)) return [];
  let time = "";
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((text) => text !== "")
    .map((text) => ({ name, text, time: (time = timeOf(text) ?? time) }));
}

function sorted(lines: readonly Line[]): Line[] {
  return lines.toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
}

function lastOf(lines: readonly Line[], count: number): Line[] {
  return count === 0 ? [] : sorted(lines).slice(-count);
}

function namesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(".log"))
    .map((file) => file.slice(0, -".log".length))
    .sort();
}

function matches(name: string, service: string | undefined): boolean {
  return service === undefined || name === service || name.replace(/-\d+$/, "") === service;
}
