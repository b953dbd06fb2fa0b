import { argon2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { WeftError } from "@weft/kit";

/** Costs of Argon2id (RFC 9106). */
interface Costs {
  /** KiB */
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane. */
const costs: Costs = { memory: 19 * 1024, passes: 2, parallelism: 1 };
const saltBytes = 16;
const hashBytes = 32;

const runArgon2 = promisify(argon2);

/**
 * The hash of a password as a PHC string (`$argon2id$v=19$m=19456,t=2,p=1$salt$hash`), with a salt of its own.
 * `RESOURCE_EXHAUSTED` when too many wait already.
 */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const hash = await derive(password, salt, costs, hashBytes);
  const { memory, passes, parallelism } = costs;
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(salt)}$${base64(hash)}`;
}

/**
 * Whether the password is the one that was hashed. Without a hash (there is no such user) the answer is false after
 * the same work, so that the time it takes tells nobody who exists. `DATA_LOSS` for a hash that can't be read.
 */
export async function verifyPassword(password: string, phc: string | undefined): Promise<boolean> {
  if (phc === undefined) {
    await derive(password, Buffer.alloc(saltBytes), costs, hashBytes);
    return false;
  }
  const stored = parse(phc);
  const hash = await derive(password, stored.salt, stored.costs, stored.hash.byteLength);
  return timingSafeEqual(hash, stored.hash);
}

const phcPattern =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,64})\$([A-Za-z0-9+/]{22,128})$/;

function parse(phc: string): { readonly costs: Costs; readonly salt: Buffer; readonly hash: Buffer } {
  const [, memory, passes, parallelism, salt, hash] = phcPattern.exec(phc) ?? [];
  if (salt === undefined || hash === undefined)
    throw new WeftError("DATA_LOSS", "a stored password hash can't be read");
  return {
    costs: { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) },
    salt: Buffer.from(salt, "base64"),
    hash: Buffer.from(hash, "base64"),
  };
}

function base64(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "");
}

/** Each hash takes 19 MiB and a thread of the pool for tens of milliseconds: two at a time leave room for the rest. */
const mostRunning = 2;
const mostWaiting = 100;
let running = 0;
const waiting: (() => void)[] = [];

async function derive(password: string, nonce: Buffer, { memory, passes, parallelism }: Costs, tagLength: number) {
  await enter();
  try {
    return await runArgon2("argon2id", { message: password, nonce, memory, passes, parallelism, tagLength });
  } finally {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  }
}

/** Waits for a place; one that is given up goes to the next in line as it is. */
function enter(): Promise<void> | undefined {
  if (running < mostRunning) {
    running += 1;
    return undefined;
  }
  if (waiting.length >= mostWaiting) {
    throw new WeftError("RESOURCE_EXHAUSTED", "too many passwords are being checked", { retryAfterMs: 1_000 });
  }
  return new Promise((resolve) => waiting.push(resolve));
}
