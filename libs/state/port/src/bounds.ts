import type { RangeOptions } from "./state.ts";

/** The keys of a range, as bytes: from `from` on and before `to`; without an end where that is undefined. */
export interface RangeBounds {
  readonly from: Buffer;
  readonly to: Buffer | undefined;
}

/** What a range asks for, for a store that sorts keys by their UTF-8 (S7). */
export function rangeBounds({ prefix, after, reverse = false }: RangeOptions): RangeBounds {
  // All keys with the prefix lie from the prefix itself up to the first key after all of them.
  const from = Buffer.from(prefix);
  const to = firstAfter(from);
  if (after === undefined) return { from, to };
  const bound = Buffer.from(after);
  if (reverse) return { from, to: to === undefined || bound.compare(to) < 0 ? bound : to };
  // The least key above `after` is `after` with a zero byte more.
  return { from: bound.compare(from) >= 0 ? Buffer.concat([bound, Buffer.of(0)]) : from, to };
}

/** The least key that sorts after every key with this prefix; undefined when there is none. */
function firstAfter(prefix: Buffer): Buffer | undefined {
  const last = prefix.findLastIndex((byte) => byte < 0xff);
  if (last === -1) return undefined;
  const bound = Buffer.from(prefix.subarray(0, last + 1));
  bound.writeUInt8(bound.readUInt8(last) + 1, last);
  return bound;
}
