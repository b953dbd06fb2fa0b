import { createRequire } from "node:module";
import { parseEnv } from "node:util";
import type * as Yaml from "yaml";
import { isJsonObject } from "../json.ts";
import { closest, environmentName, flagName } from "./names.ts";
import type { Problem } from "./parse.ts";
import type { Setting } from "./setting.ts";

/** A value somebody gave, and where: `WEFT_PORT`, `--port`, `weft.yaml: port`. */
export interface Given {
  readonly name: string;
  readonly raw: string | readonly string[];
  readonly where: string;
}

/** What one source of settings holds. */
export interface Layer {
  readonly given: readonly Given[];
  readonly problems: readonly Problem[];
}

type Known = ReadonlyMap<string, Setting<unknown>>;
/** Whether an environment name belongs to somebody else who reads the same sources. */
type Foreign = (environmentName: string) => boolean;

/** What a source of settings is read with. */
export interface Reading {
  readonly known: Known;
  readonly foreign: Foreign;
  /** The text of a file that a `…_FILE` variable names; without it there are no such variables. */
  readonly readFile: ((path: string) => string) | undefined;
}

/** Kinds of settings that hold a password or may do so, and can be kept in a file therefore. */
const fileKinds: ReadonlySet<Setting<unknown>["kind"]> = new Set(["secret", "secretUrl", "url"]);
const fileSuffix = "_FILE";

/** Variables that begin with `WEFT_`, and `WEFT_…_FILE` for the file that holds a value. An empty one counts as not set. */
export function fromEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  reading: Reading,
  source?: string,
): Layer {
  const { known, foreign, readFile } = reading;
  const names = new Map([...known.keys()].map((name) => [environmentName(name), name]));
  const given: Given[] = [];
  const problems: Problem[] = [];
  for (const [variable, raw] of Object.entries(env)) {
    if (!variable.startsWith("WEFT_") || raw === undefined || raw === "") continue;
    const where = source === undefined ? variable : `${source}: ${variable}`;
    const name = names.get(variable);
    const kept = variable.endsWith(fileSuffix) ? variable.slice(0, -fileSuffix.length) : "";
    const inFile = readFile === undefined ? undefined : known.get(names.get(kept) ?? "");
    if (name !== undefined) given.push({ name, raw, where });
    else if (readFile !== undefined && inFile !== undefined && fileKinds.has(inFile.kind)) {
      const read = env[kept] ? `and ${kept} can't be set both` : valueIn(raw, readFile);
      if (typeof read === "string") problems.push({ where, text: read });
      else given.push({ name: inFile.name, raw: read.value, where });
    } else if (!foreign(variable)) problems.push(unknown(where, variable, names.keys()));
  }
  return { given, problems };
}

/** What stands in a file, without the line's end; or what is wrong. */
function valueIn(path: string, readFile: (path: string) => string): { readonly value: string } | string {
  try {
    const value = readFile(path).replace(/\r?\n$/, "");
    return value === "" ? "names a file that is empty" : { value };
  } catch (error) {
    return `can't be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The text of a `.env` file, as `node --env-file` reads it. */
export function fromDotEnv(text: string, reading: Reading): Layer {
  return fromEnvironment(parseEnv(text), reading, ".env");
}

/** `--name value`, `--name=value`; for booleans `--name` and `--no-name`. */
export function fromFlags(argv: readonly string[], { known }: Reading): Layer {
  const names = new Map([...known.keys()].map((name) => [flagName(name), name]));
  const given: Given[] = [];
  const problems: Problem[] = [];
  for (let index = 0; index < argv.length; index += 1) {
    const argument = argv[index] ?? "";
    if (!argument.startsWith("--")) {
      problems.push({ where: argument, text: "is not expected here" });
      continue;
    }
    const [flag = "", ...rest] = argument.split("=");
    const negated = names.get(flag.replace(/^--no-/, "--"));
    const name = names.get(flag);
    const inline = rest.length > 0 ? rest.join("=") : undefined;
    if (name === undefined) {
      if (negated !== undefined && inline === undefined && known.get(negated)?.kind === "boolean") {
        given.push({ name: negated, raw: "false", where: flag });
        continue;
      }
      problems.push(unknown(flag, flag, names.keys()));
      // Its value, if it has one, is not a second problem.
      if (inline === undefined && argv[index + 1]?.startsWith("--") === false) index += 1;
      continue;
    }
    const next = argv[index + 1];
    if (inline !== undefined) given.push({ name, raw: inline, where: flag });
    else if (known.get(name)?.kind === "boolean" && next !== "true" && next !== "false") {
      given.push({ name, raw: "true", where: flag });
    } else if (next === undefined || next.startsWith("--")) problems.push({ where: flag, text: "needs a value" });
    else {
      given.push({ name, raw: next, where: flag });
      index += 1;
    }
  }
  return { given, problems };
}

/** The text of `weft.yaml`: objects within objects by the dots of the names. */
export function fromYaml(text: string, source: string, { known, foreign }: Reading): Layer {
  const given: Given[] = [];
  const problems: Problem[] = [];
  let root: unknown;
  try {
    root = yaml().parse(text);
  } catch (error) {
    const [firstLine = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    return { given, problems: [{ where: source, text: `is not YAML: ${firstLine.replace(/:$/, "")}` }] };
  }
  if (root === null || root === undefined) return { given, problems };
  if (!isJsonObject(root)) return { given, problems: [{ where: source, text: "needs names with values" }] };

  const visit = (value: unknown, name: string): void => {
    const where = `${source}: ${name}`;
    // One word may be both: `search` is a block's URL and the name of a process.
    const holds = isJsonObject(value) && Object.keys(value).length > 0 && mayHold(name, known, foreign);
    const isJson = known.get(name)?.kind === "json";
    if (known.has(name) && (isJson || !holds)) {
      if (value === null) return;
      const raw = isJson ? JSON.stringify(value) : scalars(value);
      if (raw === undefined) problems.push({ where, text: "needs a single value" });
      else given.push({ name, raw, where });
    } else if (holds) {
      for (const [key, inner] of Object.entries(value)) visit(inner, `${name}.${key}`);
    } else if (!foreign(environmentName(name))) problems.push(unknown(where, name, known.keys()));
  };
  for (const [key, value] of Object.entries(root)) visit(value, key);
  return { given, problems };
}

/** Whether settings stand below this name: else it is the name itself that is wrong. */
function mayHold(name: string, known: Known, foreign: Foreign): boolean {
  if (foreign(`${environmentName(name)}_`)) return true;
  return [...known.keys()].some((other) => other.startsWith(`${name}.`));
}

function scalars(value: unknown): string | string[] | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (!Array.isArray(value)) return undefined;
  const items = value.map((item: unknown) => (Array.isArray(item) ? undefined : scalars(item)));
  return items.every((item) => typeof item === "string") ? items : undefined;
}

function unknown(where: string, name: string, known: Iterable<string>): Problem {
  const meant = closest(name, known);
  return { where, text: meant === undefined ? "is not a setting" : `is not a setting; did you mean ${meant}?` };
}

/** Loaded when there is a file to read: most processes have none, and every one of them would wait for it. */
function yaml(): typeof Yaml {
  return createRequire(import.meta.url)("yaml") as typeof Yaml; // What its own types say.
}
