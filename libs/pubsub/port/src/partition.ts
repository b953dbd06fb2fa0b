/**
 * The partition of a key: FNV-1a over its UTF-8 bytes (http://www.isthe.com/chongo/tech/comp/fnv/, 32 bits), modulo the
 * number of partitions. It must never change, or the order of a key's events would break between versions.
 */
export function partitionOf(key: string, partitions: number): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(key)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0) % partitions;
}
