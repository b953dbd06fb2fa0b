import type { ConfigurationItem } from "@weft/configuration";
import { type JsonValue, mergePatch, type Setting, type Settings } from "@weft/kit";
import type { Logger } from "@weft/telemetry";
import type { ProcessConfig } from "./config.ts";
import { sentences, settingOf, wholeText } from "./setting-item.ts";
import { commonSettings } from "./settings.ts";

export interface LiveOptions {
  readonly log: Logger;
}

/** A setting that may change, and who wants to know. */
interface Entry {
  readonly setting: Setting<unknown>;
  /** What the process was started with. */
  readonly start: unknown;
  readonly appliers: Set<(value: unknown) => void>;
  value: unknown;
  /** The items that `value` was made of, to tell a change. */
  madeOf: string;
  /** Keys of those among them that don't go together with the others. */
  odd: Set<string>;
}

/** An item, and its text. */
type Part = readonly [key: string, text: string];

/** Problems or keys that one line names: there may be thousands. */
const mostNamed = 20;

/**
 * The settings of a process as they are now: what it was started with, under what the configuration block holds of
 * those that are `hot`. A bad value is a warning, and the last good one stays in use. Removing an item brings back what
 * was under it.
 *
 * The key of an item is the name of a setting. A setting that is JSON may be said in parts: `calls.user` holds the field
 * `user` of `calls`. Parts are merged (RFC 7396), longer keys over shorter ones.
 */
export class LiveSettings {
  readonly #log: Logger;
  readonly #settings = new Map<string, Setting<unknown>>();
  readonly #hot = new Map<string, Entry>();
  /** Versions of the items that were looked at. */
  readonly #seen = new Map<string, string>();
  /** Texts of the items that are good, by key. */
  readonly #good = new Map<string, string>();

  constructor({ log }: LiveOptions) {
    this.#log = log;
  }

  /** Settings of the process, and the values that it was started with under the same keys. */
  add(settings: Settings, values: Readonly<Record<string, unknown>>): void {
    for (const [key, setting] of Object.entries(settings)) {
      const value = values[key];
      this.#settings.set(setting.name, setting);
      if (setting.hot)
        this.#hot.set(setting.name, {
          setting,
          start: value,
          appliers: new Set(),
          value,
          madeOf: "[]",
          odd: new Set(),
        });
    }
  }

  /** Calls `apply` with the value now, and with each new one. */
  watch<T>(setting: Setting<T>, apply: (value: T) => void): void {
    const entry = this.#hot.get(setting.name);
    if (entry === undefined) throw new TypeError(`${setting.name} is no setting of this process that is hot`);
    const applier = (value: unknown): void => apply(value as T); // It came out of this very setting's parse function.
    entry.appliers.add(applier);
    this.#apply(entry, applier);
  }

  /** All that the configuration block holds. */
  take(items: ReadonlyMap<string, ConfigurationItem>): void {
    for (const key of this.#seen.keys()) {
      if (items.has(key)) continue;
      this.#seen.delete(key);
      this.#good.delete(key);
    }
    for (const [key, { value, version }] of items) {
      if (this.#seen.get(key) === version) continue;
      this.#seen.set(key, version);
      this.#look(key, value);
    }
    for (const entry of this.#hot.values()) this.#update(entry);
  }

  #look(key: string, text: string): void {
    const setting = settingOf(key, this.#settings);
    // Others keep theirs in the same store.
    if (setting === undefined) return;
    if (!setting.hot) {
      this.#log.warn({ setting: key }, "a setting of the configuration block is not used: it needs a restart, and to be said where the process is started"); // prettier-ignore
      return;
    }
    const problems = sentences(setting, setting.parse(wholeText(setting, key, text)));
    if (problems.length === 0) this.#good.set(key, text);
    else this.#refuse(key, problems);
  }

  #update(entry: Entry): void {
    const { setting } = entry;
    const parts = [...this.#good].filter(([key]) => settingOf(key, this.#settings) === setting);
    const madeOf = JSON.stringify(parts.sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1)));
    if (madeOf === entry.madeOf) return;
    entry.madeOf = madeOf;
    entry.value = this.#valueOf(entry, parts);
    this.#log.info({ setting: setting.name, from: parts.map(([key]) => key).slice(0, mostNamed) }, "a setting changed");
    for (const applier of entry.appliers) this.#apply(entry, applier);
  }

  /** What items, each of them good, come to together, in the order in which they go over each other. */
  #valueOf(entry: Entry, parts: readonly Part[]): unknown {
    const { setting, start } = entry;
    const before = entry.odd;
    entry.odd = new Set();
    const [first] = parts;
    if (first === undefined) return start;
    const all = setting.parse(setting.kind === "json" ? merged(entry, parts) : first[1]);
    if ("value" in all) return all.value;
    // Two of them don't go together: the later one is passed over, and spoils no other.
    const used: Part[] = [];
    let value = start;
    for (const part of parts) {
      const parsed = setting.parse(merged(entry, [...used, part]));
      if ("value" in parsed) {
        used.push(part);
        value = parsed.value;
      } else {
        const [key] = part;
        entry.odd.add(key);
        if (!before.has(key)) this.#refuse(key, sentences(setting, parsed));
      }
    }
    return value;
  }

  #apply({ setting, value }: Entry, applier: (value: unknown) => void): void {
    try {
      applier(value);
    } catch (err) {
      this.#log.error({ setting: setting.name, err }, "a setting could not be applied");
    }
  }

  #refuse(setting: string, problems: readonly string[]): void {
    const more = problems.length - mostNamed;
    const told = more > 0 ? [...problems.slice(0, mostNamed), `and ${more} more`] : problems;
    this.#log.warn({ setting, problems: told }, "a setting is not valid: the last good value stays in use");
  }
}

/** The text of a JSON setting out of what it was started with and items that go over each other in this order. */
function merged({ setting, start }: Entry, parts: readonly Part[]): string {
  let value = start as JsonValue; // What a JSON setting holds can be written as JSON.
  for (const [key, text] of parts) {
    value = mergePatch(value, JSON.parse(wholeText(setting, key, text)) as JsonValue); // It was parsed before.
  }
  return JSON.stringify(value);
}

/** Every setting of a process, with what it was started with. */
export function liveSettings<S extends Settings>(
  settings: S,
  { common, all }: ProcessConfig<S>,
  log: Logger,
): LiveSettings {
  const live = new LiveSettings({ log });
  live.add(commonSettings, common);
  live.add(settings, all);
  return live;
}
