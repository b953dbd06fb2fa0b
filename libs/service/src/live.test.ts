import type { ConfigurationItem } from "@weft/configuration";
import { type JsonValue, setting } from "@weft/kit";
import type { Logger } from "@weft/telemetry";
import { beforeEach, expect, test } from "vitest";
import { LiveSettings } from "./live.ts";

const bad = { field: "a.b", description: "is bad" };
const settings = {
  level: setting.choice("level", { values: ["low", "high"], default: "low", hot: true, about: "A level." }),
  size: setting.integer("size", { default: 5, about: "A size." }),
  rules: setting.json("rules", {
    default: {},
    hot: true,
    about: "Rules.",
    read: (value: JsonValue) =>
      /bad|red.*green/.test(JSON.stringify(value))
        ? { problems: Array.from({ length: JSON.stringify(value).includes("worst") ? 5000 : 1 }, () => bad) }
        : { value: value as Readonly<Record<string, JsonValue>> },
  }),
};

let lines: { readonly level: string; readonly msg: string; readonly fields: object }[];
let live: LiveSettings;
let held: Map<string, ConfigurationItem>;
let version = 0;

beforeEach(() => {
  lines = [];
  held = new Map();
  const line =
    (level: string) =>
    (fields: object, msg: string): void =>
      void lines.push({ level, msg, fields });
  const log: Logger = {
    ...{ level: "info", debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") },
    ...{ fatal: line("fatal"), child: () => log },
  };
  live = new LiveSettings({ log });
  live.add(settings, { level: "low", size: 5, rules: { a: { b: 1, c: 2 } } });
});

/** The block holds this from now on; undefined removes a key. */
function hold(items: Readonly<Record<string, string | undefined>>): void {
  for (const [key, value] of Object.entries(items)) {
    if (value === undefined) held.delete(key);
    else held.set(key, { value, version: String((version += 1)) });
  }
  live.take(held);
}

function seen<T>(of: Parameters<typeof live.watch<T>>[0]): T[] {
  const values: T[] = [];
  live.watch(of, (value) => values.push(value));
  return values;
}

test("a value of the block goes over what the process was started with, until it is removed", () => {
  const levels = seen(settings.level);
  hold({ level: "high" });
  hold({ other: "1" });
  hold({ level: undefined });
  expect(levels).toEqual(["low", "high", "low"]);
  expect(lines.map(({ msg }) => msg)).toEqual(["a setting changed", "a setting changed"]);
});

test("who asks later gets the value of now", () => {
  hold({ level: "high" });
  expect(seen(settings.level)).toEqual(["high"]);
});

test("a bad value is one warning that names the problem, and the last good one stays", () => {
  const levels = seen(settings.level);
  hold({ level: "high" });
  hold({ level: "higher" });
  hold({ unrelated: "x" });
  expect(levels).toEqual(["low", "high"]);
  const warnings = lines.filter(({ level }) => level === "warn");
  expect(warnings).toEqual([
    {
      level: "warn",
      msg: "a setting is not valid: the last good value stays in use",
      fields: { setting: "level", problems: ['level "higher" is not one of low, high'] },
    },
  ]);
  hold({ level: "low" });
  expect(levels).toEqual(["low", "high", "low"]);
});

test("a setting that is not hot is a warning and nothing else; the settings of others are none of ours", () => {
  hold({ size: "7", "gateway.port": "1" });
  expect(lines).toEqual([{ level: "warn", msg: expect.stringContaining("not used"), fields: { setting: "size" } }]);
  expect(() => live.watch(settings.size, () => undefined)).toThrow("size is no setting of this process that is hot");
});

test("a setting that is JSON is said whole or in parts, deeper ones over others", () => {
  const rules = seen(settings.rules);
  hold({ "rules.a.b": "7", rules: '{"z":true,"a":{"b":3}}' });
  hold({ "rules.a": '{"b":4,"c":null}' });
  hold({ "rules.a.b": undefined });
  hold({ "rules.a": undefined, rules: undefined });
  expect(rules).toEqual([
    { a: { b: 1, c: 2 } },
    { a: { b: 7, c: 2 }, z: true },
    { a: { b: 7 }, z: true },
    { a: { b: 4 }, z: true },
    { a: { b: 1, c: 2 } },
  ]);
});

test("a bad part leaves the others in use", () => {
  const rules = seen(settings.rules);
  hold({ "rules.x": '"bad"', "rules.y": "1", "rules.z": "{" });
  expect(rules.at(-1)).toEqual({ a: { b: 1, c: 2 }, y: 1 });
  expect(lines.filter(({ level }) => level === "warn").map(({ fields }) => fields)).toEqual([
    { setting: "rules.x", problems: ["rules.a.b is bad"] },
    { setting: "rules.z", problems: [expect.stringContaining("is not JSON")] },
  ]);
});

test("of two parts that don't go together the later one is passed over, and spoils no other", () => {
  const rules = seen(settings.rules);
  const start = { a: { b: 1, c: 2 } };
  hold({ "rules.e": "1", "rules.c": '"red"', "rules.d": '"green"' });
  hold({ "rules.e": "2" });
  expect(rules.slice(1)).toEqual([
    { ...start, c: "red", e: 1 },
    { ...start, c: "red", e: 2 },
  ]);
  expect(lines.filter(({ level }) => level === "warn").map(({ fields }) => fields)).toEqual([
    { setting: "rules.d", problems: ["rules.a.b is bad"] },
  ]);
  hold({ "rules.c": undefined });
  expect(rules.at(-1)).toEqual({ ...start, d: "green", e: 2 });
});

test("a value with thousands of problems is a line that can be read", () => {
  hold({ rules: '{"bad":"worst"}' });
  const [{ fields } = { fields: {} }] = lines;
  const { problems } = fields as { readonly problems: readonly string[] };
  expect([problems.length, problems[0], problems.at(-1)]).toEqual([21, "rules.a.b is bad", "and 4980 more"]);
});

test("one who can't take a value keeps nobody else from it", () => {
  live.watch(settings.level, (level) => {
    if (level === "high") throw new Error("too high");
  });
  const levels = seen(settings.level);
  hold({ level: "high" });
  expect(levels).toEqual(["low", "high"]);
  expect(lines).toContainEqual(expect.objectContaining({ level: "error", msg: "a setting could not be applied" }));
});
