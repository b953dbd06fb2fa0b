import { isJsonObject, type JsonObject } from "@weft/kit";
import type { Colour, Paint } from "./terminal.ts";

const levelColours: Readonly<Record<string, Colour>> = {
  debug: "dim",
  info: "green",
  warn: "yellow",
  error: "red",
  fatal: "red",
};

/** Fields that every line has, or that say little to people. */
const left = new Set(["level", "time", "service", "instance", "msg", "pid", "hostname", "span_id", "err", "error"]);
const longestValue = 120;

/** The object of a JSON log line; undefined for any other text. */
export function parseLine(line: string): JsonObject | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A log line for people: `12:30:01 INFO  ready  durationMs=103`. Text that is no log line stays as it is. */
export function renderLine(line: string, paint: Paint): string {
  const entry = parseLine(line);
  if (entry === undefined) return line;
  const level = String(entry["level"] ?? "info");
  const time = String(entry["time"] ?? "").slice(11, 19);
  const facts = Object.entries(entry)
    .filter(([name]) => !left.has(name))
    .map(([name, value]) => `${name}=${short(value)}`);
  const words = [
    ...(time === "" ? [] : [paint("dim", time)]),
    paint(levelColours[level] ?? "cyan", level.toUpperCase().padEnd(5)),
    String(entry["msg"] ?? ""),
    ...(facts.length === 0 ? [] : [paint("dim", facts.join(" "))]),
    ...errorOf(entry),
  ];
  return words.join(" ");
}

function errorOf(entry: JsonObject): string[] {
  const error = entry["err"] ?? entry["error"];
  if (error === undefined) return [];
  if (!isJsonObject(error)) return [short(error)];
  const text = `${String(error["type"] ?? "Error")}: ${String(error["message"] ?? "")}`;
  // Whoever reads a fatal line wants to know where; the rest is in the file.
  const isGrave = entry["level"] === "error" || entry["level"] === "fatal";
  const stack = isGrave && typeof error["stack"] === "string" ? error["stack"].split("\n").slice(1, 5).join("\n") : "";
  return [stack === "" ? text : `${text}\n${stack}`];
}

function short(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > longestValue ? `${text.slice(0, longestValue)}…` : text;
}
