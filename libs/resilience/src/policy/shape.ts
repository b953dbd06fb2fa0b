import { closest, type FieldViolation, isJsonObject, type JsonValue } from "@weft/kit";

/** What a JSON value must be, what it is when nobody says, and what there is to say of it. */
export interface Shape<T> {
  /** A sentence, for the reference. Empty for an object whose fields say it all. */
  readonly about: string;
  /** What values it takes, for people: `0 to 1`. */
  readonly takes: string;
  /** Undefined where there is none. */
  readonly default: T | undefined;
  /** Of an object, in the order in which people read them. */
  readonly fields?: Readonly<Record<string, Shape<unknown>>>;
  /** The value, or the default in place of one that is wrong: what is wrong goes to `problems`, with its path. */
  read(value: JsonValue | undefined, at: string, problems: FieldViolation[]): T;
}

interface Said<T> {
  readonly default: T;
  readonly about: string;
}

interface Range {
  readonly min?: number;
  readonly max?: number;
}

/** A shape for each field; of one that may be left out, a shape that may be undefined. */
type Fields<T> = {
  readonly [K in keyof T]-?: Shape<T[K]> | (Partial<Pick<T, K>> extends Pick<T, K> ? Shape<T[K] | undefined> : never);
};

/** Makes shapes. */
export const shape = {
  /** A number within limits, both included; `integer` for whole ones. */
  number<D extends number | undefined>(options: Said<D> & Range & { readonly integer?: true }): Shape<number | D> {
    const { min = 0, max = Number.MAX_SAFE_INTEGER, integer = false } = options;
    const kind = integer ? "a whole number" : "a number";
    const bounds = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    const isFine = (value: JsonValue): value is number =>
      typeof value === "number" && value >= min && value <= max && (!integer || Number.isInteger(value));
    return leaf(options, `${kind} ${bounds}`, isFine);
  },

  /** `true` or `false`. */
  boolean<D extends boolean | undefined>(options: Said<D>): Shape<boolean | D> {
    return leaf(options, "true or false", (value) => typeof value === "boolean");
  },

  /** Text that is not empty. */
  text<D extends string | undefined>(options: Said<D>): Shape<string | D> {
    return leaf(options, "text", (value): value is string => typeof value === "string" && value !== "");
  },

  /** One of a few words. */
  choice<const V extends string, D extends V | undefined>(
    options: Said<D> & { readonly values: readonly V[] },
  ): Shape<V | D> {
    const { values } = options;
    const known = (value: JsonValue): value is V => values.some((one) => one === value);
    return leaf(options, `one of ${values.join(", ")}`, known);
  },

  /** An object of which every field has a shape. Without any field it is its defaults. */
  object<T extends object>(fields: Fields<T>, about = ""): Shape<T> {
    const all: Readonly<Record<string, Shape<unknown>>> = fields;
    return {
      about,
      takes: "an object",
      default: undefined,
      fields: all,
      read(value, at, problems) {
        const given = isUnsaid(value) ? {} : value;
        if (!isJsonObject(given)) problems.push({ field: at, description: "must be an object" });
        const object = isJsonObject(given) ? given : {};
        for (const name of Object.keys(object)) {
          if (!Object.hasOwn(all, name)) problems.push({ field: path(at, name), description: unknown(name, all) });
        }
        const read = Object.entries(all).flatMap(([name, one]) => {
          const part = one.read(object[name], path(at, name), problems);
          return part === undefined ? [] : [[name, part] as const];
        });
        return Object.fromEntries(read) as T; // Each field came out of the shape of the same name.
      },
    };
  },

  /** A list, empty when nobody says. */
  list<T>(item: Shape<T>, options: { readonly about: string; readonly max: number }): Shape<readonly T[]> {
    const { about, max } = options;
    return {
      about,
      takes: `a list of at most ${max}: ${item.takes}`,
      default: [],
      ...(item.fields === undefined ? {} : { fields: item.fields }),
      read(value, at, problems) {
        if (isUnsaid(value)) return [];
        if (!Array.isArray(value) || value.length > max) {
          problems.push({ field: at, description: `must be a list of at most ${max}` });
          return [];
        }
        return value.map((one: JsonValue, index) => item.read(one, `${at}[${index}]`, problems));
      },
    };
  },

  /** An object from any names to values of one shape, empty when nobody says. */
  record<T>(
    item: Shape<T>,
    options: { readonly about: string; readonly max: number; readonly key: string },
  ): Shape<Readonly<Record<string, T>>> {
    const { about, max, key } = options;
    return {
      about,
      takes: `an object of at most ${max}, ${key} → ${item.takes}`,
      default: {},
      read(value, at, problems) {
        if (isUnsaid(value)) return {};
        if (!isJsonObject(value) || Object.keys(value).length > max) {
          problems.push({ field: at, description: `must be an object of at most ${max} fields` });
          return {};
        }
        return Object.fromEntries(
          Object.entries(value).map(([name, one]) => [
            name,
            item.read(one, `${at}[${JSON.stringify(name)}]`, problems),
          ]),
        );
      },
    };
  },
};

/** The same, with a rule over all of it: `wrong` gives the end of a sentence that begins with its path. */
export function withRule<T>(of: Shape<T>, wrong: (value: T) => string | undefined): Shape<T> {
  return {
    ...of,
    read(value, at, problems) {
      const before = problems.length;
      const read = of.read(value, at, problems);
      const description = problems.length === before ? wrong(read) : undefined;
      if (description !== undefined) problems.push({ field: at, description });
      return read;
    },
  };
}

/** The same, given another form. */
export function mapped<T, U>(of: Shape<T>, to: (value: T) => U): Shape<U> {
  return { ...of, default: undefined, read: (value, at, problems) => to(of.read(value, at, problems)) };
}

/** The same, undefined when nobody says. */
export function optional<T>(of: Shape<T>): Shape<T | undefined> {
  return { ...of, read: (value, at, problems) => (isUnsaid(value) ? undefined : of.read(value, at, problems)) };
}

/** The same, for text that has to be said. */
export function required(of: Shape<string | undefined>): Shape<string> {
  return {
    ...of,
    takes: `${of.takes}, required`,
    read(value, at, problems) {
      if (isUnsaid(value)) problems.push({ field: at, description: "is required" });
      return of.read(value, at, problems) ?? "";
    },
  };
}

function leaf<T extends JsonValue, D>(
  { default: fallback, about }: Said<D>,
  takes: string,
  isFine: (value: JsonValue) => value is T,
): Shape<T | D> {
  return {
    about,
    takes,
    default: fallback,
    read(value, at, problems) {
      if (isUnsaid(value)) return fallback;
      if (isFine(value)) return value;
      problems.push({ field: at, description: `must be ${takes}, not ${quote(value)}` });
      return fallback;
    },
  };
}

/** In a layer that is merged over others, null takes back what those say. */
function isUnsaid(value: JsonValue | undefined): value is null | undefined {
  return value === undefined || value === null;
}

function unknown(name: string, fields: Readonly<Record<string, unknown>>): string {
  const meant = closest(name, Object.keys(fields));
  if (meant !== undefined) return `is not known; did you mean ${meant}?`;
  return `is not known; there are ${Object.keys(fields).join(", ")}`;
}

/** The path of a field. */
export function path(at: string, name: string): string {
  return at === "" ? name : `${at}.${name}`;
}

/** A value as it was given, shortened. */
function quote(value: JsonValue): string {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
