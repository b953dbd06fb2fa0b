import { WeftError } from "../errors.ts";
import { fromDotEnv, fromEnvironment, fromFlags, fromYaml, type Given, type Layer } from "./layers.ts";
import { environmentName } from "./names.ts";
import { type Problem, problemsOf } from "./parse.ts";
import type { ConfigOf, Setting, Settings } from "./setting.ts";

/** Where settings come from. Later ones win: defaults < `found` < `file` < `dotEnv` < `env` < `argv`. */
export interface ConfigSources {
  /** What was found out rather than said, by the names of the settings; `where` is for problems. */
  readonly found?: { readonly where: string; readonly values: Readonly<Record<string, string>> };
  /** The process' environment; only names that begin with `WEFT_` are looked at. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The process' arguments, without the program and the script. */
  readonly argv: readonly string[];
  /** A YAML file: its name, for problems, and its text. */
  readonly file?: { readonly name: string; readonly text: string };
  /** Text of a `.env` file. */
  readonly dotEnv?: string;
  /**
   * Environment names (and the paths of the YAML file, by the environment names that they would have) that belong to
   * other processes and are no problem here: a predicate, or prefixes like `WEFT_USER_`.
   */
  readonly allowed?: readonly string[] | ((environmentName: string) => boolean);
  /**
   * Reads a file as text. With it a setting `WEFT_X` that may hold a password can be kept in a file whose path is in
   * `WEFT_X_FILE`, as container engines hand secrets over. A line's end after the value is not part of it.
   */
  readonly readFile?: (path: string) => string;
}

/**
 * The values of `settings`, frozen. Pure but for `readFile`. `INVALID_CONFIGURATION` with every problem there is, a line each, also as
 * `violations`: values that are malformed or missing, and names that are unknown, misspelt most likely.
 */
export function loadConfig<S extends Settings>(settings: S, sources: ConfigSources): ConfigOf<S> {
  const known = new Map(Object.values(settings).map((one) => [one.name, one]));
  const { found, file, dotEnv, allowed = [], readFile } = sources;
  const foreign =
    typeof allowed === "function"
      ? allowed
      : (name: string): boolean => allowed.some((prefix) => name.startsWith(prefix));
  const reading = { known, foreign, readFile };
  const layers = [
    ...(found === undefined ? [] : [fromFound(found)]),
    ...(file === undefined ? [] : [fromYaml(file.text, file.name, reading)]),
    ...(dotEnv === undefined ? [] : [fromDotEnv(dotEnv, reading)]),
    fromEnvironment(sources.env, reading),
    fromFlags(sources.argv, reading),
  ];
  const problems = layers.flatMap((layer) => layer.problems);
  const given = new Map(layers.flatMap((layer) => layer.given).map((one) => [one.name, one]));

  const values = new Map<string, unknown>();
  for (const one of known.values()) {
    const { value, wrong = [] } = readOne(one, given.get(one.name));
    problems.push(...wrong);
    values.set(one.name, value);
  }
  for (const one of known.values()) {
    if (values.get(one.name) !== undefined || given.has(one.name)) continue;
    const { defaultBy } = one;
    values.set(one.name, defaultBy ? defaultBy.values[String(values.get(defaultBy.setting))] : one.default);
  }
  if (problems.length > 0) throw invalid(problems);
  const entries = Object.entries(settings).map(([key, { name }]) => [key, values.get(name)]);
  // Each value came out of the parse function, or is the default, of the setting under the same key.
  return Object.freeze(Object.fromEntries(entries)) as ConfigOf<S>;
}

function fromFound({ where, values }: NonNullable<ConfigSources["found"]>): Layer {
  return { given: Object.entries(values).map(([name, raw]) => ({ name, raw, where })), problems: [] };
}

function readOne(one: Setting<unknown>, given: Given | undefined): { value?: unknown; wrong?: readonly Problem[] } {
  if (given === undefined) {
    if (!one.required || one.default !== undefined || one.defaultBy !== undefined) return {};
    return { wrong: [{ where: environmentName(one.name), text: `is required: ${one.about}` }] };
  }
  const parsed = one.parse(given.raw);
  return "value" in parsed ? parsed : { wrong: problemsOf(parsed, given.where) };
}

function invalid(problems: readonly Problem[]): WeftError {
  const lines = problems.map(({ where, text }) => `${where} ${text}`);
  return new WeftError("INVALID_CONFIGURATION", lines.join("\n"), {
    violations: problems.map(({ where, text }) => ({ field: where, description: text })),
  });
}
