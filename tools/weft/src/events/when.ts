const unitsMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** RFC 3339; seconds may be left out. */
const timePattern = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)$/;

/**
 * An instant as a person writes it, in milliseconds since the epoch: `15m` ago (`s`, `m`, `h` or `d`), a time with its
 * zone, or `earliest`, which is 0. Undefined for anything else.
 */
export function parseWhen(text: string, now: number): number | undefined {
  if (text === "earliest") return 0;
  const [, count, unit = ""] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  if (count !== undefined) return Math.max(0, now - Number(count) * (unitsMs[unit] ?? 0));
  const time = timePattern.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) || time < 0 ? undefined : time;
}
