import { inspect } from "node:util";
import { expect, expectTypeOf, test } from "vitest";
import {
  type ConfigOf,
  describeSettings,
  isJsonObject,
  isWeftError,
  type JsonObject,
  type JsonValue,
  loadConfig,
  mergePatch,
  type Parsed,
  Secret,
  setting,
} from "../index.ts";

const settings = {
  port: setting.integer("port", { default: 8080, min: 0, max: 65_535, about: "Port of the edge." }),
  maxBodyBytes: setting.integer("gateway.maxBodyBytes", { default: 1024, min: 1, hot: true, about: "Largest body." }),
  profile: setting.choice("profile", { values: ["embedded", "stack"], default: "embedded", about: "Which servers." }),
  state: setting.url("state", {
    schemes: ["embedded", "redis"],
    defaultBy: { setting: "profile", values: { embedded: "embedded:", stack: "redis://127.0.0.1:6379" } },
    about: "State.",
  }),
  drainTimeoutMs: setting.durationMs("drainTimeoutMs", { default: 30_000, max: 600_000, about: "Time to drain." }),
  verbose: setting.boolean("verbose", { default: false, about: "Say more." }),
  tags: setting.list("gateway.tags", { default: [], about: "Words." }),
  smtp: setting.text("smtp", { about: "Mail server." }),
  key: setting.secret("gateway.key", { about: "Key." }),
  mail: setting.secretUrl("gateway.mail", { about: "Mail." }),
};

const load = (sources: Partial<Parameters<typeof loadConfig>[1]> = {}) =>
  loadConfig(settings, { env: {}, argv: [], ...sources });

function problemsOf(sources: Parameters<typeof load>[0], of = load): string[] {
  try {
    of(sources);
  } catch (error) {
    if (isWeftError(error, "INVALID_CONFIGURATION")) return error.message.split("\n");
    throw error;
  }
  throw new Error("there is no problem");
}

test("defaults, frozen and typed", () => {
  const config = load();
  expect(config).toEqual({
    port: 8080,
    maxBodyBytes: 1024,
    profile: "embedded",
    state: "embedded:",
    drainTimeoutMs: 30_000,
    verbose: false,
    tags: [],
    smtp: undefined,
    key: undefined,
    mail: undefined,
  });
  expect(Object.isFrozen(config)).toBe(true);
  expectTypeOf<ConfigOf<typeof settings>["smtp"]>().toEqualTypeOf<string | undefined>();
  expectTypeOf(config.profile).toEqualTypeOf<"embedded" | "stack">();
  expectTypeOf(config.state).toEqualTypeOf<string>();
  expectTypeOf(config.key).toEqualTypeOf<Secret | undefined>();
});

test("later layers win: defaults < file < .env < environment < flags", () => {
  const file = {
    name: "weft.yaml",
    text: "port: 1\ngateway:\n  maxBodyBytes: 1\n  tags: [a, b]\ndrainTimeoutMs: 1s\nsmtp: one",
  };
  const dotEnv = 'WEFT_GATEWAY_MAX_BODY_BYTES=2\nWEFT_DRAIN_TIMEOUT_MS="2s"\nWEFT_SMTP=two\nOTHER=1';
  const env = { WEFT_DRAIN_TIMEOUT_MS: "3s", WEFT_SMTP: "three", WEFT_PORT: "", PATH: "/bin" };
  expect(load({ file, dotEnv, env, argv: ["--smtp=four", "--verbose"] })).toMatchObject({
    port: 1,
    tags: ["a", "b"],
    maxBodyBytes: 2,
    drainTimeoutMs: 3000,
    smtp: "four",
    verbose: true,
  });
});

test("a default may follow another setting", () => {
  expect(load({ env: { WEFT_PROFILE: "stack" } }).state).toBe("redis://127.0.0.1:6379");
  expect(load({ argv: ["--profile", "stack", "--state", "embedded:"] }).state).toBe("embedded:");
});

test("every problem is a line that names where the value stands", () => {
  const problems = problemsOf({
    file: { name: "weft.yaml", text: "gateway:\n  maxBodyByte: 1\n  tags: {a: 1}\nprofil: x\nverbose: 3" },
    dotEnv: "WEFT_SMPT=x",
    env: {
      WEFT_PORT: "99999",
      WEFT_PROFILE: "docker",
      WEFT_STATE: "http://user:hunter2@x",
      WEFT_DRAIN_TIMEOUT_MS: "soon",
      WEFT_ZZZ: "1",
    },
    argv: ["--gatewy-tags", "a", "stray", "--smtp"],
  });
  expect(problems).toEqual([
    "weft.yaml: gateway.maxBodyByte is not a setting; did you mean gateway.maxBodyBytes?",
    "weft.yaml: gateway.tags needs a single value",
    "weft.yaml: profil is not a setting; did you mean profile?",
    ".env: WEFT_SMPT is not a setting; did you mean WEFT_SMTP?",
    "WEFT_ZZZ is not a setting",
    "--gatewy-tags is not a setting; did you mean --gateway-tags?",
    "stray is not expected here",
    "--smtp needs a value",
    'WEFT_PORT "99999" is more than 65535',
    'WEFT_PROFILE "docker" is not one of embedded, stack',
    "WEFT_STATE begins with http:, which is not one of embedded:, redis:",
    'WEFT_DRAIN_TIMEOUT_MS "soon" is not a time like 250ms, 5s, 2m or 1h',
    'weft.yaml: verbose "3" is neither true nor false',
  ]);
});

test("a file that is not YAML, or not names with values, is one problem", () => {
  expect(problemsOf({ file: { name: "weft.yaml", text: "a: [1" } })[0]).toMatch(/^weft\.yaml is not YAML: .+ line 1/);
  expect(problemsOf({ file: { name: "weft.yaml", text: "- a" } })).toEqual(["weft.yaml needs names with values"]);
  expect(load({ file: { name: "weft.yaml", text: "# nothing\n" } }).port).toBe(8080);
});

test("names of other processes are none of this one's business", () => {
  const env = { WEFT_USER_SESSION_MS: "x" };
  const file = { name: "weft.yaml", text: "user:\n  sessionMs: 1\n" };
  expect(load({ env, file, allowed: ["WEFT_USER_"] }).port).toBe(8080);
  expect(load({ env, allowed: (name) => name === "WEFT_USER_SESSION_MS" }).port).toBe(8080);
  expect(problemsOf({ env })).toEqual(["WEFT_USER_SESSION_MS is not a setting"]);
});

test("a required setting that nobody set is a problem", () => {
  const needed = { url: setting.url("user.mail", { required: true, about: "Where mail goes." }) };
  const of = () => loadConfig(needed, { env: {}, argv: [] });
  expectTypeOf<ReturnType<typeof of>["url"]>().toEqualTypeOf<string>();
  expect(of).toThrow("WEFT_USER_MAIL is required: Where mail goes.");
});

test("booleans as flags", () => {
  expect(load({ argv: ["--verbose", "--port", "1"] })).toMatchObject({ verbose: true, port: 1 });
  expect(load({ env: { WEFT_VERBOSE: "true" }, argv: ["--no-verbose"] }).verbose).toBe(false);
  expect(load({ argv: ["--verbose", "false"] }).verbose).toBe(false);
  expect(problemsOf({ argv: ["--no-port"] })).toEqual(["--no-port is not a setting"]);
});

test("times take units, with their limits in milliseconds", () => {
  const timeOf = (text: string) => load({ env: { WEFT_DRAIN_TIMEOUT_MS: text } }).drainTimeoutMs;
  expect(["250", "250ms", "1.5s", "2m", "0"].map(timeOf)).toEqual([250, 250, 1500, 120_000, 0]);
  expect(() => timeOf("1h")).toThrow('"1h" is more than 600000');
  expect(() => timeOf("-1")).toThrow("is not a time");
});

test("what was found counts more than a default, and less than what anybody says", () => {
  const found = { where: "stack.json", values: { state: "redis://found", port: "x" } };
  expect(problemsOf({ found })).toEqual(['stack.json "x" is not a whole number']);
  const values = { state: "redis://found" };
  expect(load({ found: { ...found, values } }).state).toBe("redis://found");
  const file = { name: "weft.yaml", text: "state: redis://said" };
  expect(load({ found: { ...found, values }, file }).state).toBe("redis://said");
});

test("secrets print as stars", () => {
  const config = load({ env: { WEFT_GATEWAY_KEY: "hunter2" } });
  expect(`${inspect(config)}${JSON.stringify(config)}`).not.toContain("hunter2");
  expect(config.key?.reveal()).toBe("hunter2");
});

test("a URL that may hold a password prints as stars and stands in no problem; its default is for all to read", () => {
  const search = setting.secretUrl("search", { default: new Secret("embedded:"), about: "Search." });
  const withSearch = (url: string) => loadConfig({ search }, { env: { WEFT_SEARCH: url }, argv: [] });
  expect(inspect(withSearch("http://:hunter2@host"))).not.toContain("hunter2");
  expect(() => withSearch("hunter2@host")).toThrow(/^WEFT_SEARCH is not a URL like embedded: or redis:[^\s]*$/);
  expect(describeSettings({ search })[0]?.default).toBe("embedded:");
});

test("what may hold a password may be kept in a file", () => {
  const files: Readonly<Record<string, string>> = {
    "/run/secrets/key": "hunter2\n",
    "/mail": "smtp://me:pw@x",
    "/no": "\n",
  };
  const readFile = (path: string): string => {
    const text = files[path];
    if (text === undefined) throw new Error(`ENOENT: ${path}`);
    return text;
  };
  const env = { WEFT_GATEWAY_KEY_FILE: "/run/secrets/key" };
  const config = load({ env, dotEnv: "WEFT_GATEWAY_MAIL_FILE=/mail\nWEFT_GATEWAY_KEY=other", readFile });
  expect(config.key?.reveal()).toBe("hunter2");
  expect(config.mail?.reveal()).toBe("smtp://me:pw@x");
  expect(load({ env, argv: ["--gateway-key=flag"], readFile }).key?.reveal()).toBe("flag");
  const wrong = {
    WEFT_GATEWAY_KEY: "a",
    WEFT_GATEWAY_KEY_FILE: "/run/secrets/key",
    WEFT_GATEWAY_MAIL_FILE: "/none",
    WEFT_PORT_FILE: "/run/secrets/key",
  };
  expect(problemsOf({ env: wrong, readFile })).toEqual([
    "WEFT_GATEWAY_KEY_FILE and WEFT_GATEWAY_KEY can't be set both",
    "WEFT_GATEWAY_MAIL_FILE can't be read: ENOENT: /none",
    "WEFT_PORT_FILE is not a setting",
  ]);
  expect(problemsOf({ env: { WEFT_GATEWAY_KEY_FILE: "/no" }, readFile })).toEqual([
    "WEFT_GATEWAY_KEY_FILE names a file that is empty",
  ]);
  expect(problemsOf({ env })).toEqual(["WEFT_GATEWAY_KEY_FILE is not a setting"]);
});

test("a JSON setting is YAML in weft.yaml and JSON elsewhere, and every problem of it has its path", () => {
  const read = (value: JsonValue): Parsed<JsonObject> =>
    isJsonObject(value) && !("bad" in value)
      ? { value }
      : { problems: [{ field: "a.b", description: "is bad" }, { field: "", description: "is worse" }] }; // prettier-ignore
  const json = { rules: setting.json("rules", { read, default: {}, about: "Rules." }) };
  const load = (sources: object) => loadConfig(json, { env: {}, argv: [], ...sources });
  expect(load({}).rules).toEqual({});
  const file = { name: "weft.yaml", text: 'rules:\n  "*": { list: [1, 2.5], no: null }\n  deep: { x: { y: true } }\n' };
  expect(load({ file }).rules).toEqual({ "*": { list: [1, 2.5], no: null }, deep: { x: { y: true } } });
  expect(load({ file, env: { WEFT_RULES: '{"a":1}' } }).rules).toEqual({ a: 1 });
  expect(load({ argv: ["--rules", '{"a":2}'] }).rules).toEqual({ a: 2 });
  expect(() => load({ env: { WEFT_RULES: "{" } })).toThrow(/^WEFT_RULES is not JSON: /);
  expect(() => load({ file: { name: "weft.yaml", text: "rules: { bad: 1 }" } })).toThrow(
    "weft.yaml: rules.a.b is bad\nweft.yaml: rules is worse",
  );
});

test("a patch removes what is null, goes into objects, and replaces all else", () => {
  const value = { a: { b: 1, c: [1] }, d: "x" };
  expect(mergePatch(value, { a: { b: null, e: { f: null, g: 2 } }, d: { h: 1 } })).toEqual({
    ...{ a: { c: [1], e: { g: 2 } }, d: { h: 1 } },
  });
  expect(mergePatch(undefined, { a: 1 })).toEqual({ a: 1 });
  expect(mergePatch(value, [1])).toEqual([1]);
  expect(mergePatch({}, JSON.parse('{"__proto__":{"x":1}}') as JsonValue)).toEqual(JSON.parse('{"__proto__":{"x":1}}'));
});

test("the reference says everything of a setting", () => {
  const descriptions = describeSettings(settings);
  expect(descriptions.find(({ name }) => name === "gateway.maxBodyBytes")).toEqual({
    name: "gateway.maxBodyBytes",
    env: "WEFT_GATEWAY_MAX_BODY_BYTES",
    flag: "--gateway-max-body-bytes",
    type: "integer",
    default: "1024",
    unit: "bytes",
    allowed: "at least 1",
    hot: true,
    required: false,
    about: "Largest body.",
  });
  expect(descriptions.find(({ name }) => name === "state")?.default).toBe(
    "embedded: (profile embedded), redis://127.0.0.1:6379 (profile stack)",
  );
  expect(descriptions.find(({ name }) => name === "drainTimeoutMs")?.unit).toBe("ms");
});
