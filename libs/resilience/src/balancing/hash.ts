/** FNV-1a over the UTF-16 units, then Murmur's finalizer, which FNV needs to spread short keys. 32 bits, unsigned. */
export function hashText(text: string, seed = 0): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  return mix(hash);
}

/** One hash of two. */
export function mixHashes(one: number, other: number): number {
  return mix(Math.imul(one, 0x9e3779b1) ^ other);
}

/** In (0, 1). */
export function unitOf(hash: number): number {
  return (hash + 0.5) / 2 ** 32;
}

/** `fmix32` of MurmurHash3 (Appleby, public domain). */
function mix(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
