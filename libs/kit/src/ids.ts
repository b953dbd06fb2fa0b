import { randomBytes } from "./random.ts";

/** Makes ids; passed in so that tests know them beforehand. */
export type NewId = () => string;

/**
 * A UUID version 7 (RFC 9562): 48 bits of Unix milliseconds, 12 bits that grow within a millisecond, 62 random bits.
 * Ids of one process sort by creation.
 */
export const newUuid: NewId = () => nextUuid(Date.now());

let lastMs = 0;
let sequence = 0;

function nextUuid(nowMs: number): string {
  if (nowMs > lastMs) {
    lastMs = nowMs;
    sequence = 0;
  } else {
    // The clock stands still or went back: stay on the last millisecond and count; borrow the next one on overflow.
    sequence += 1;
    if (sequence > 0xfff) {
      lastMs += 1;
      sequence = 0;
    }
  }
  const bytes = randomBytes(16);
  bytes.writeUIntBE(lastMs, 0, 6);
  bytes.writeUInt16BE(0x7000 | sequence, 6);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Ids that count up, for tests: `prefix-1`, `prefix-2` … */
export function countingIds(prefix = "id"): NewId {
  let count = 0;
  return () => `${prefix}-${(count += 1)}`;
}
