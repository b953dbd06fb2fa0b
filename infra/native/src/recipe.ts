import { type Log, WeftError } from "@weft/kit";
import type { Machine } from "./machine.ts";

/** The servers that there are recipes for. */
export const serverNames = ["consul", "elasticsearch", "kafka", "postgres", "redis"] as const;

/** One of {@link serverNames}. */
export type ServerName = (typeof serverNames)[number];

/** Reads names with commas between. `INVALID_ARGUMENT` for one that there is not. */
export function readServerNames(text: string): readonly ServerName[] {
  const words = text.split(",").map((word) => word.trim());
  return words.filter((word) => word !== "").map(readServerName);
}

function readServerName(word: string): ServerName {
  const name = serverNames.find((known) => known === word);
  if (name !== undefined) return name;
  throw new WeftError("INVALID_ARGUMENT", `there is no server '${word}'; there are ${serverNames.join(", ")}`);
}

/** How one server is installed, started and asked whether it is well. */
export interface Recipe {
  readonly name: ServerName;
  /** Of the URL, and what usually stands in it. */
  readonly url: (port: number) => string;
  readonly usualPort: number;
  /** How many ports it takes beside its own, for itself alone. */
  readonly innerPorts: number;
  /** What makes it end in order. */
  readonly stopSignal: NodeJS.Signals;
  /** Looks for its programs. Changes nothing. */
  find(machine: Machine): Promise<Found>;
  /** Resolves when the server on a port of 127.0.0.1 answers and can do its work; rejects when it does not. */
  probe(port: number, signal: AbortSignal): Promise<void>;
}

/** Whether a server can be started here. */
export type Found = Installed | Missing;

/** It can be. */
export interface Installed {
  /** Makes what the server needs in its folder, unless it is there, and says what to run. */
  prepare(place: Place): Promise<Launch>;
}

/** It can't be, yet. */
export interface Missing {
  /** What is not there and how to get it: a sentence for people. */
  readonly missing: string;
  /** Gets it. Undefined when that takes something which has to be installed by hand. */
  readonly install: ((log: Log) => Promise<void>) | undefined;
}

/** Where a server runs. */
export interface Place {
  /** Its folder, absolute; it exists. */
  readonly dir: string;
  readonly port: number;
  /** As many as the recipe asked for. */
  readonly innerPorts: readonly number[];
  /** The server's own settings, in its own words, beside and above those of the recipe. */
  readonly settings: Readonly<Record<string, string>>;
  /** Whether it ends when this process does. */
  readonly tied: boolean;
}

/** What to run. */
export interface Launch {
  readonly file: string;
  readonly args: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
  /** Default `/`: no folder is held. */
  readonly cwd?: string;
  /** Beside the few variables that every program gets. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where the server writes its process id, when it is not the process that is started. */
  readonly pidFile?: string;
}
