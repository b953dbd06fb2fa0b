import { randomBytes } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { createLocalJWKSet, jwtVerify } from "jose";
import { WeftError } from "@weft/kit";
import { adminRole } from "@weft/security";
import { issuer, type SigningKeys } from "./signing-keys.ts";
import type { UserContext } from "./users.ts";

const subject = "admin";
const lifeMs = 30 * 24 * 3_600_000;

/**
 * Keeps a good administrator's token in a file of mode 0600: writes a new one when there is none, it does not verify, or
 * less than half of its life remains. Replicas may do so at the same time: each writes a whole file, and all are good.
 */
export async function writeAdminToken(
  context: UserContext & { readonly keys: SigningKeys },
  path: string,
): Promise<void> {
  const { keys, clock, newId } = context;
  const issuedAt = clock.now();
  if (await isGood(path, keys, issuedAt)) return;
  const claims = { subject, roles: [adminRole], id: newId(), issuedAt, expiresAt: issuedAt + lifeMs };
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    const file = await open(temporary, "wx", 0o600);
    await file.writeFile(`${await keys.sign(claims)}\n`).finally(() => file.close());
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw new WeftError("INVALID_CONFIGURATION", `the administrator's token can't be written to ${path}`, { cause });
  }
}

async function isGood(path: string, keys: SigningKeys, now: number): Promise<boolean> {
  try {
    const token = (await readFile(path, "utf8")).trim();
    const { payload } = await jwtVerify(token, createLocalJWKSet(keys.publicKeys), {
      issuer,
      subject,
      currentDate: new Date(now),
    });
    return (payload.exp ?? 0) * 1000 > now + lifeMs / 2;
  } catch {
    return false;
  }
}
