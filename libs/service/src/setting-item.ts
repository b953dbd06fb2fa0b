import { closest, type JsonValue, type Parsed, problemsOf, type Setting } from "@weft/kit";

/**
 * The setting that an item of the configuration block says something of: the one whose name is its key, or one that is
 * JSON and of which the key names a part, as `calls.user` does of `calls`.
 */
export function settingOf(key: string, settings: ReadonlyMap<string, Setting<unknown>>): Setting<unknown> | undefined {
  const exact = settings.get(key);
  if (exact !== undefined) return exact;
  for (const setting of settings.values()) {
    if (setting.kind === "json" && key.startsWith(`${setting.name}.`)) return setting;
  }
  return undefined;
}

/** The text of a whole setting that says what an item says: `{"user":1}` for `1` under `calls.user`. */
export function wholeText({ name }: Setting<unknown>, key: string, text: string): string {
  if (key === name) return text;
  let part: JsonValue;
  try {
    part = JSON.parse(text) as JsonValue; // JSON is what JSON.parse gives.
  } catch {
    // The setting says that it is none.
    return text;
  }
  const fields = key.slice(name.length + 1).split(".");
  return JSON.stringify(fields.reduceRight((inner, field) => ({ [field]: inner }), part));
}

/** What keeps an item from being used, a sentence each; empty when nothing does. */
export function problemsOfItem(
  key: string,
  text: string,
  settings: ReadonlyMap<string, Setting<unknown>>,
): readonly string[] {
  const setting = settingOf(key, settings);
  if (setting === undefined) {
    const meant = closest(key, settings.keys());
    return [`${key} is not a setting${meant === undefined ? "" : `; did you mean ${meant}?`}`];
  }
  if (!setting.hot) return [`${key} does not change while processes run: say it where they are started`];
  return sentences(setting, setting.parse(wholeText(setting, key, text)));
}

/** What is wrong with the text of a whole setting. */
export function sentences({ name }: Setting<unknown>, parsed: Parsed<unknown>): readonly string[] {
  return problemsOf(parsed, name).map(({ where, text }) => `${where} ${text}`);
}
