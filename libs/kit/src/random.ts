import { randomFillSync } from "node:crypto";

/** Random bytes are taken by the page: asking the system for a few at a time is most of what an id would cost. */
const page = Buffer.alloc(4096);
let used = page.length;

/** Random bytes of the system's source, at most 4,096. They are the caller's until the next call of this process: copy what is to last. */
export function randomBytes(size: number): Buffer {
  const from = take(size);
  return page.subarray(from, from + size);
}

/** The same as lower-case hexadecimal digits, two for each byte. */
export function randomHex(size: number): string {
  const from = take(size);
  return page.toString("hex", from, from + size);
}

/** Where the bytes begin. */
function take(size: number): number {
  if (used + size > page.length) {
    randomFillSync(page);
    used = 0;
  }
  used += size;
  return used - size;
}
