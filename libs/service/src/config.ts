import { accessSync, constants, mkdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type ConfigOf, type ConfigSources, errorCode, loadConfig, type Settings, WeftError } from "@weft/kit";
import { type CommonConfig, commonSettings, foreignNames } from "./settings.ts";

export { problemsOfItem, settingOf } from "./setting-item.ts";
export { blockUrlsOf, type CommonConfig, commonSettings, foreignNames, processNames } from "./settings.ts";

export interface ReadConfigOptions<S extends Settings> {
  /** Name of the process. */
  readonly name: string;
  readonly settings: S;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly argv: readonly string[];
  /** Folder of `weft.yaml` and `.env`, and what a relative `dataDir` is relative to. Default the working directory. */
  readonly cwd?: string;
  /** What is known of settings that nobody sets; see `found` of `loadConfig`. */
  readonly found?: ConfigSources["found"];
  /** Environment names that are somebody else's; default those of the other processes. */
  readonly allowed?: readonly string[];
}

/** The values of a process. */
export interface ProcessConfig<S extends Settings> {
  /** Those that every process has. */
  readonly common: CommonConfig;
  /** All of them, for the service; where it uses the key of a common one, its own. */
  readonly all: ConfigOf<S> & CommonConfig;
}

/**
 * The configuration of a process from `weft.yaml`, `.env`, environment and flags. `INVALID_CONFIGURATION` with every
 * problem.
 */
export function readConfig<S extends Settings>(options: ReadConfigOptions<S>): ProcessConfig<S> {
  const { name, settings, env, argv, found, cwd = process.cwd(), allowed = foreignNames(name) } = options;
  const file = readIfThere(resolve(cwd, "weft.yaml"));
  const dotEnv = readIfThere(resolve(cwd, ".env"));
  const sources = {
    env,
    argv,
    allowed,
    readFile: (path: string) => readFileSync(resolve(cwd, path), "utf8"),
    ...(found === undefined ? {} : { found }),
    ...(file === undefined ? {} : { file: { name: "weft.yaml", text: file } }),
    ...(dotEnv === undefined ? {} : { dotEnv }),
  };
  // Loaded in one go, so that each source is checked against all names; apart, so that no key hides another.
  const values = loadConfig({ ...prefixed("common", commonSettings), ...prefixed("own", settings) }, sources);
  const pick = (prefix: string, of: Settings) =>
    Object.fromEntries(Object.keys(of).map((key) => [key, values[`${prefix} ${key}`]]));
  const picked = pick("common", commonSettings) as CommonConfig; // The values of these very settings.
  const common = Object.freeze({ ...picked, dataDir: resolve(cwd, picked.dataDir) });
  const all = Object.freeze({ ...common, ...pick("own", settings) });
  return { common, all: all as unknown as ConfigOf<S> & CommonConfig }; // And here of both.
}

function prefixed(prefix: string, settings: Settings): Settings {
  return Object.fromEntries(Object.entries(settings).map(([key, one]) => [`${prefix} ${key}`, one]));
}

/**
 * The embedded PostgreSQL of root runs as another user, who has to get through the data folder. On Linux it is given the
 * capability to; elsewhere the folder lets everybody through, and still nobody else look into it.
 */
const folderMode = process.platform !== "linux" && process.getuid?.() === 0 ? 0o711 : 0o700;

/**
 * Makes the data folder if it is not there, for this user alone; one that is there keeps its mode, as it may be for more
 * than us. `INVALID_CONFIGURATION` when it can't be written to.
 */
export function prepareDataDir(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: folderMode });
    accessSync(dataDir, constants.W_OK | constants.X_OK);
  } catch (error) {
    const why = error instanceof Error ? error.message.split(",")[0] : String(error);
    const message = `the data folder ${dataDir} can't be written to (${why}); choose another with WEFT_DATA_DIR`;
    throw new WeftError("INVALID_CONFIGURATION", message, { cause: error });
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    const why = error instanceof Error ? error.message : String(error);
    throw new WeftError("INVALID_CONFIGURATION", `${path} can't be read: ${why}`, { cause: error });
  }
}
