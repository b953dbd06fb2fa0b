import type { JsonValue } from "../json.ts";
import { Secret } from "../secret.ts";
import {
  parseBoolean,
  parseChoice,
  parseDurationMs,
  parseInteger,
  parseJson,
  parseList,
  parseUrl,
  type Parsed,
} from "./parse.ts";

/** One value that can be configured. Made by the functions of {@link setting}. */
export interface Setting<T> {
  /** Dotted camel case: `gateway.maxBodyBytes`. Environment name, flag and path in `weft.yaml` follow from it. */
  readonly name: string;
  readonly kind:
    "text" | "integer" | "boolean" | "choice" | "url" | "secret" | "secretUrl" | "durationMs" | "list" | "json";
  /** What it does, for the generated reference. A sentence. */
  readonly about: string;
  /** Whether a change applies without a restart. */
  readonly hot: boolean;
  readonly required: boolean;
  readonly default: T | undefined;
  /** The default by the value of another setting; goes before `default`. */
  readonly defaultBy: DefaultBy<T> | undefined;
  /** What is allowed, for people: `1 to 65535`, `a, b or c`. */
  readonly allowed: string | undefined;
  parse(raw: string | readonly string[]): Parsed<T>;
}

/** A default that depends on the value of another setting, which has a default itself. */
export interface DefaultBy<T> {
  /** Name of the other setting. */
  readonly setting: string;
  readonly values: Readonly<Record<string, T>>;
}

export interface SettingOptions<T> {
  /** Without one, and when it is not `required`, the value may be undefined. */
  readonly default?: T;
  readonly defaultBy?: DefaultBy<T>;
  /** It is a problem when nobody sets it. */
  readonly required?: boolean;
  readonly about: string;
  /** A change applies without a restart. Default false. */
  readonly hot?: boolean;
}

/** Limits of a number, both included. */
interface Range {
  readonly min?: number;
  readonly max?: number;
}

/** Settings of one process, by the key under which the code finds their value. */
export type Settings = Readonly<Record<string, Setting<unknown>>>;

/** The values of `settings`. */
export type ConfigOf<S extends Settings> = {
  readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never;
};

/** The value's type: undefined is one of its values unless there is a default or it is required. */
type ValueOf<T, O> = O extends { default: unknown } | { defaultBy: unknown } | { required: true } ? T : T | undefined;

/** Makes settings. Each takes the dotted name and what there is to say of it. */
export const setting = {
  /** Any text. */
  text<const O extends SettingOptions<string>>(name: string, options: O): Setting<ValueOf<string, O>> {
    return define("text", name, options, (raw) => ({ value: raw }));
  },

  /** A whole number. Limits default to those of safe integers. */
  integer<const O extends SettingOptions<number> & Range>(name: string, options: O): Setting<ValueOf<number, O>> {
    return define("integer", name, options, (raw) => parseInteger(raw, options), rangeText(options));
  },

  /** `true` or `false`. As a flag `--name` alone is true and `--no-name` is false. */
  boolean<const O extends SettingOptions<boolean>>(name: string, options: O): Setting<ValueOf<boolean, O>> {
    return define("boolean", name, options, parseBoolean, "true or false");
  },

  /** One of a few words. */
  choice<const V extends string, const O extends SettingOptions<NoInfer<V>>>(
    name: string,
    options: O & { readonly values: readonly V[] },
  ): Setting<ValueOf<V, O>> {
    const { values } = options;
    return define<V, O>("choice", name, options, (raw) => parseChoice(raw, values), values.join(", "));
  },

  /** A URL, kept as text; `schemes` limits what it may begin with. One that can hold a password is a {@link setting.secretUrl}. */
  url<const O extends SettingOptions<string> & { readonly schemes?: readonly string[] }>(
    name: string,
    options: O,
  ): Setting<ValueOf<string, O>> {
    const { schemes } = options;
    const allowed = schemes?.map((scheme) => `${scheme}:`).join(", ");
    return define("url", name, options, (raw) => parseUrl(raw, schemes), allowed);
  },

  /** Text that prints as `***` and is never quoted in a problem. */
  secret<const O extends SettingOptions<Secret>>(name: string, options: O): Setting<ValueOf<Secret, O>> {
    return define("secret", name, options, (raw) => ({ value: new Secret(raw) }));
  },

  /** A URL that may hold a password: it prints as `***` and is never quoted in a problem. */
  secretUrl<const O extends SettingOptions<Secret>>(name: string, options: O): Setting<ValueOf<Secret, O>> {
    return define("secretUrl", name, options, (raw) => {
      const parsed = parseUrl(raw, undefined);
      return "value" in parsed ? { value: new Secret(parsed.value) } : parsed;
    });
  },

  /** A time in milliseconds, written as a number of them or as `250ms`, `5s`, `2m`, `1h`. Its name ends in `Ms`. */
  durationMs<const O extends SettingOptions<number> & Range>(name: string, options: O): Setting<ValueOf<number, O>> {
    const limits = { min: 0, ...options };
    return define("durationMs", name, options, (raw) => parseDurationMs(raw, limits), rangeText(limits));
  },

  /** Words, separated by commas outside of `weft.yaml`. */
  list<const O extends SettingOptions<readonly string[]>>(
    name: string,
    options: O,
  ): Setting<ValueOf<readonly string[], O>> {
    return { ...define<readonly string[], O>("list", name, options, parseList), parse: parseList };
  },

  /** A JSON value; in `weft.yaml` it is written as YAML. `read` says what it means, or every problem of it by its path. */
  json<T, const O extends SettingOptions<NoInfer<T>>>(
    name: string,
    options: O & { readonly read: (value: JsonValue) => Parsed<T> },
  ): Setting<ValueOf<T, O>> {
    const parse = (raw: string): Parsed<T> => {
      const json = parseJson(raw);
      return "value" in json ? options.read(json.value) : json;
    };
    return define<T, O>("json", name, options, parse, "JSON");
  },
};

function define<T, O extends SettingOptions<T>>(
  kind: Setting<T>["kind"],
  name: string,
  options: O,
  parse: (raw: string) => Parsed<T>,
  allowed?: string,
): Setting<ValueOf<T, O>> {
  if (!/^[a-z][a-zA-Z0-9]*(\.[a-z][a-zA-Z0-9]*)*$/.test(name)) throw new TypeError(`bad name of a setting: ${name}`);
  const made: Setting<T> = {
    kind,
    name,
    about: options.about,
    hot: options.hot ?? false,
    required: options.required ?? false,
    default: options.default,
    defaultBy: options.defaultBy,
    allowed,
    parse: (raw) => (typeof raw === "string" ? parse(raw) : { problem: "is a list; one value is needed" }),
  };
  return made;
}

function rangeText({ min, max }: Range): string | undefined {
  if (min === undefined) return max === undefined ? undefined : `at most ${max}`;
  return max === undefined ? `at least ${min}` : `${min} to ${max}`;
}
