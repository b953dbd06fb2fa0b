/** How much a limit allows: `count` calls at once, given back evenly over `windowMs`. */
export interface Quota {
  /** 1 to 1,000,000. */
  readonly count: number;
  /** Whole seconds, up to an hour, in milliseconds. */
  readonly windowMs: number;
}

const maxCount = 1_000_000;
const maxWindowSeconds = 3600;
const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** A quota as people write it: `100/10s`, `5/m`, `20000/1h`. Undefined for what is none. */
export function parseQuota(text: string): Quota | undefined {
  const [, countText, amountText, unit] = /^(\d{1,7})\/(\d{0,4})([smh])$/.exec(text.trim()) ?? [];
  const count = Number(countText);
  const seconds = (amountText === "" ? 1 : Number(amountText)) * (unitSeconds[unit ?? ""] ?? 0);
  if (!(count >= 1 && count <= maxCount && seconds >= 1 && seconds <= maxWindowSeconds)) return undefined;
  return { count, windowMs: seconds * 1000 };
}

/** What {@link parseQuota} takes, for a message: it ends a sentence that begins with where the text stands. */
export const quotaForm = `is not a quota like 100/10s: 1 to ${maxCount} calls in 1s to 1h`;
