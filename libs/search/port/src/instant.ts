const instant = /^(\d{4})-(\d\d)-(\d\d)(?:[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d)))?$/;

/**
 * Milliseconds since the epoch of an RFC 3339 time; what is finer than a millisecond is cut off. A bare date
 * (`2026-01-31`) is its start in UTC. Undefined for anything else.
 */
export function parseInstant(text: string): number | undefined {
  const match = instant.exec(text);
  if (match === null) return undefined;
  const number = (group: number): number => Number(match[group] ?? 0);
  const [year, month, day, hour, minute, second] = [number(1), number(2), number(3), number(4), number(5), number(6)];
  const ms = Number((match[7] ?? "").slice(0, 3).padEnd(3, "0"));
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  // A day that does not exist rolls over: 30 February.
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  if (hour > 23 || minute > 59 || second > 60 || number(9) > 23 || number(10) > 59) return undefined;
  date.setUTCHours(hour, minute, second, ms);
  const offsetMs = (number(9) * 60 + number(10)) * 60_000;
  return date.getTime() - (match[8] === "-" ? -offsetMs : offsetMs);
}
