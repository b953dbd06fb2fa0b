import type { FieldViolation } from "../errors.ts";
import type { JsonValue } from "../json.ts";

/**
 * What a text means, or what is wrong with it: the end of a sentence that begins with where it stands; of a value with
 * fields, one for each field.
 */
export type Parsed<T> =
  { readonly value: T } | { readonly problem: string } | { readonly problems: readonly FieldViolation[] };

/** Something that is wrong. */
export interface Problem {
  readonly where: string;
  /** The end of a sentence that begins with `where`. */
  readonly text: string;
}

/** What is wrong with a text that stands at `where`; empty when nothing is. */
export function problemsOf(parsed: Parsed<unknown>, where: string): readonly Problem[] {
  if ("value" in parsed) return [];
  if ("problem" in parsed) return [{ where, text: parsed.problem }];
  return parsed.problems.map(({ field, description }) => {
    return { where: field === "" ? where : `${where}.${field}`, text: description };
  });
}

interface Range {
  readonly min?: number;
  readonly max?: number;
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

export function parseInteger(raw: string, range: Range): Parsed<number> {
  const value = Number(raw);
  if (!/^[+-]?\d+$/.test(raw.trim()) || !Number.isSafeInteger(value)) {
    return { problem: `${quote(raw)} is not a whole number` };
  }
  return within(value, raw, range);
}

export function parseDurationMs(raw: string, range: Range): Parsed<number> {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)?$/.exec(raw.trim());
  if (match === null) return { problem: `${quote(raw)} is not a time like 250ms, 5s, 2m or 1h` };
  const [, count, unit] = match;
  return within(Math.round(Number(count) * (unitMs[unit ?? "ms"] ?? 1)), raw, range);
}

export function parseBoolean(raw: string): Parsed<boolean> {
  if (raw === "true" || raw === "1") return { value: true };
  if (raw === "false" || raw === "0") return { value: false };
  return { problem: `${quote(raw)} is neither true nor false` };
}

export function parseChoice<V extends string>(raw: string, values: readonly V[]): Parsed<V> {
  const value = values.find((known) => known === raw);
  return value === undefined ? { problem: `${quote(raw)} is not one of ${values.join(", ")}` } : { value };
}

/** Not by `new URL`: a list of hosts with ports (`kafka://a:9092,b:9092`) is fine here. The value is not quoted, as it may hold a password. */
export function parseUrl(raw: string, schemes: readonly string[] | undefined): Parsed<string> {
  const scheme = /^([a-z][a-z0-9+.-]*):/.exec(raw)?.[1];
  if (scheme === undefined) return { problem: "is not a URL like embedded: or redis://127.0.0.1:6379" };
  if (schemes !== undefined && !schemes.includes(scheme)) {
    return { problem: `begins with ${scheme}:, which is not one of ${schemes.map((known) => `${known}:`).join(", ")}` };
  }
  return { value: raw };
}

export function parseList(raw: string | readonly string[]): Parsed<readonly string[]> {
  const items = typeof raw === "string" ? raw.split(",") : raw;
  return { value: Object.freeze(items.map((item) => item.trim()).filter((item) => item !== "")) };
}

export function parseJson(raw: string): { readonly value: JsonValue } | { readonly problem: string } {
  try {
    return { value: JSON.parse(raw) as JsonValue }; // JSON is what JSON.parse gives.
  } catch (error) {
    return { problem: `is not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function within(value: number, raw: string, { min, max }: Range): Parsed<number> {
  if (min !== undefined && value < min) return { problem: `${quote(raw)} is less than ${min}` };
  if (max !== undefined && value > max) return { problem: `${quote(raw)} is more than ${max}` };
  return { value };
}

/** A text as it was given, shortened: problems are lines. */
function quote(raw: string): string {
  return JSON.stringify(raw.length > 60 ? `${raw.slice(0, 60)}…` : raw);
}
