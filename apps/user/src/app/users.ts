import { createHash } from "node:crypto";
import type { Transaction } from "kysely";
import { type Clock, type NewId, WeftError } from "@weft/kit";
import { addToOutbox } from "@weft/outbox";
import { hashPassword, verifyPassword } from "@weft/security";
import { unlessAborted } from "@weft/sql";
import type { TraceContext } from "@weft/telemetry";
import { type EventStamp, userCreated, userDeleted, userUpdated } from "../domain/events.ts";
import { applyPatch, changes, fieldsToSet, type Patch } from "../domain/patch.ts";
import { checkEtag, emailKey, type Profile, type User } from "../domain/user.ts";
import { claimRequest } from "../store/requests.ts";
import type { Database, Schema } from "../store/schema.ts";
import { deleteSessionsOf } from "../store/sessions.ts";
import { deleteUser, findAccount, findUser, findUsers, insertUser, lockUser, updateUser } from "../store/users.ts";

/** What the use cases work with. */
export interface UserContext {
  readonly database: Database;
  readonly clock: Clock;
  readonly newId: NewId;
}

/** The call that a change is made for. */
export interface Cause {
  readonly trace: TraceContext;
}

export interface CreateUser extends Cause {
  readonly profile: Profile;
  readonly password: string | undefined;
  /** Empty: none (AIP-155). */
  readonly requestId: string;
}

/**
 * A new user; the one that was made before when the same request came with this id within a day.
 * `ALREADY_EXISTS` when the e-mail address is taken, `IDEMPOTENCY_CONFLICT` when the id was used for another request.
 */
export async function createUser(
  context: UserContext,
  { profile, password, requestId, trace }: CreateUser,
): Promise<User> {
  const { database, clock, newId } = context;
  // Before the transaction: it takes tens of milliseconds.
  const passwordHash = password === undefined ? undefined : await hashPassword(password);
  const time = clock.now();
  const user: User = { ...profile, id: newId(), createdAt: time, updatedAt: time, version: 1 };
  const before = await database.transaction(async (transaction) => {
    if (requestId !== "") {
      const request = { requestId, fingerprint: fingerprint(profile, password), userId: user.id, time };
      const made = await claimRequest(transaction, request);
      if (made !== undefined) return made.fingerprint === request.fingerprint ? made.userId : conflict();
    }
    await insertUser(transaction, { user, passwordHash });
    await addToOutbox(transaction, userCreated(user, stamp(context, trace, time)));
    return undefined;
  });
  return before === undefined ? user : madeBefore(context, before, password);
}

/** `NOT_FOUND` when there is none. */
export async function getUser({ database }: UserContext, id: string, signal?: AbortSignal): Promise<User> {
  return (await unlessAborted(database, signal, (connection) => findUser(connection, id))) ?? notFound();
}

/** Those that exist, in the order of `ids`; one that is asked for twice comes twice. */
export async function batchGetUsers(
  { database }: UserContext,
  ids: readonly string[],
  signal?: AbortSignal,
): Promise<readonly User[]> {
  const users = await unlessAborted(database, signal, (connection) => findUsers(connection, ids));
  const found = new Map(users.map((user) => [user.id, user]));
  return ids.map((id) => found.get(id)).filter((user) => user !== undefined);
}

export interface UpdateUser extends Cause {
  readonly id: string;
  readonly patch: Patch;
  readonly mask: readonly string[];
  /** Empty: whatever the current one is. */
  readonly etag: string;
}

/**
 * The user after the change. What changes nothing makes no version and no event. A new password ends all sessions.
 * `NOT_FOUND`; `ETAG_MISMATCH`; `ALREADY_EXISTS` when the new e-mail address is taken.
 */
export async function changeUser(context: UserContext, { id, patch, mask, etag, trace }: UpdateUser): Promise<User> {
  const fields = fieldsToSet(patch, mask);
  const { password } = patch;
  const passwordHash = fields.includes("password") && password !== undefined ? await hashPassword(password) : undefined;
  return context.database.transaction(async (transaction) => {
    const user = await lockOrFail(transaction, id);
    checkEtag(user, etag);
    const changed = changes(user, patch, fields);
    if (changed.length === 0) return user;
    const time = context.clock.now();
    const after: User = {
      ...applyPatch(user, patch, changed),
      id,
      createdAt: user.createdAt,
      updatedAt: time,
      version: user.version + 1,
    };
    await updateUser(transaction, { user: after, passwordHash });
    if (passwordHash !== undefined) await deleteSessionsOf(transaction, id);
    await addToOutbox(transaction, userUpdated(after, changed, stamp(context, trace, time)));
    return after;
  });
}

export interface RemoveUser extends Cause {
  readonly id: string;
  /** Empty: whatever the current one is. */
  readonly etag: string;
}

/** Deletes the user and their sessions. `NOT_FOUND`; `ETAG_MISMATCH`. */
export async function removeUser(context: UserContext, { id, etag, trace }: RemoveUser): Promise<void> {
  await context.database.transaction(async (transaction) => {
    const user = await lockOrFail(transaction, id);
    checkEtag(user, etag);
    await deleteUser(transaction, id);
    await addToOutbox(transaction, userDeleted(user, stamp(context, trace, context.clock.now())));
  });
}

export function stamp({ newId }: UserContext, trace: TraceContext, time: number): EventStamp {
  return { eventId: newId(), trace, time };
}

async function lockOrFail(transaction: Transaction<Schema>, id: string): Promise<User> {
  return (await lockUser(transaction, id)) ?? notFound();
}

/**
 * What makes two requests the same. Not the password: a fast hash of it must not lie about. It is checked against the
 * user's slow one instead.
 */
function fingerprint(profile: Profile, password: string | undefined): string {
  const { email, name, bio, location, locale, tags } = profile;
  const content = [emailKey(email), name, bio, location, locale, tags, password !== undefined];
  return createHash("sha256").update(JSON.stringify(content)).digest("hex");
}

async function madeBefore({ database }: UserContext, id: string, password: string | undefined): Promise<User> {
  const account = (await findAccount(database.kysely, { id })) ?? notFound();
  if (password !== undefined && !(await verifyPassword(password, account.passwordHash))) conflict();
  return account.user;
}

function notFound(): never {
  throw new WeftError("NOT_FOUND", "there is no such user");
}

function conflict(): never {
  throw new WeftError("IDEMPOTENCY_CONFLICT", "the request id was used for another request");
}
