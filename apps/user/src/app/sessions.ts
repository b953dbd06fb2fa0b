import { createHash, randomBytes } from "node:crypto";
import { WeftError } from "@weft/kit";
import { verifyPassword } from "@weft/security";
import { deleteSession, insertSession, rotateSession } from "../store/sessions.ts";
import { type Account, findAccount } from "../store/users.ts";
import type { SigningKeys } from "./signing-keys.ts";
import type { UserContext } from "./users.ts";

export interface SessionContext extends UserContext {
  readonly keys: SigningKeys;
  /** Life of an access token, in milliseconds. */
  readonly accessTokenMs: number;
  /** How long a session lives without being refreshed, in milliseconds. */
  readonly refreshTokenMs: number;
}

/** What a login or a refresh answers. */
export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Life of the access token, in seconds. */
  readonly expiresIn: number;
  readonly userId: string;
}

/** `BAD_CREDENTIALS`, after the same time, for a wrong password, an unknown user, and one without a password. */
export async function login(
  context: SessionContext,
  { email, password }: { readonly email: string; readonly password: string },
): Promise<Tokens> {
  const account = await findAccount(context.database.kysely, { email });
  const isRight = await verifyPassword(password, account?.passwordHash);
  if (account === undefined || !isRight) {
    throw new WeftError("BAD_CREDENTIALS", "the e-mail address and password do not match");
  }
  const id = randomBytes(16).toString("base64url");
  const next = newToken(id);
  const expiresAt = context.clock.now() + context.refreshTokenMs;
  await insertSession(context.database.kysely, { id, userId: account.user.id, tokenHash: next.hash, expiresAt });
  return tokensFor(context, account, next.token);
}

/**
 * New tokens for a refresh token, which is good once. One that was used before ends the session: either its holder or a
 * thief has the newer one (RFC 9700, section 4.14.2). `UNAUTHENTICATED` then, and for any that is not good.
 */
export async function refresh(context: SessionContext, refreshToken: string): Promise<Tokens> {
  const { database, clock } = context;
  const id = sessionOf(refreshToken);
  if (id === undefined) throw notGood();
  const next = newToken(id);
  const now = clock.now();
  const rotation = { id, from: hashOf(refreshToken), to: next.hash, now, expiresAt: now + context.refreshTokenMs };
  const userId = await rotateSession(database.kysely, rotation);
  if (userId === undefined) {
    await deleteSession(database.kysely, id);
    throw notGood();
  }
  const account = await findAccount(database.kysely, { id: userId });
  if (account === undefined) throw notGood();
  return tokensFor(context, account, next.token);
}

/** Ends the session of a refresh token; nothing happens when there is none. */
export async function logout({ database }: SessionContext, refreshToken: string): Promise<void> {
  const id = sessionOf(refreshToken);
  if (id !== undefined) await deleteSession(database.kysely, id);
}

async function tokensFor(context: SessionContext, { user, roles }: Account, refreshToken: string): Promise<Tokens> {
  const { keys, clock, newId, accessTokenMs } = context;
  const issuedAt = clock.now();
  const claims = { subject: user.id, roles, id: newId(), issuedAt, expiresAt: issuedAt + accessTokenMs };
  const expiresIn = Math.floor(accessTokenMs / 1000);
  return { accessToken: await keys.sign(claims), refreshToken, expiresIn, userId: user.id };
}

/** A token names its session, so that one that was used before still tells which session to end. */
function newToken(sessionId: string): { readonly token: string; readonly hash: string } {
  const token = `${sessionId}.${randomBytes(32).toString("base64url")}`;
  return { token, hash: hashOf(token) };
}

function sessionOf(token: string): string | undefined {
  return /^([\w-]{22})\.[\w-]{43}$/.exec(token)?.[1];
}

/** Fast is enough: the token has 256 random bits. */
function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("base64url");
}

function notGood(): WeftError {
  return new WeftError("UNAUTHENTICATED", "the refresh token is not valid");
}
