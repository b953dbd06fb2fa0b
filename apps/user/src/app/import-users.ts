import { create } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { type ImportUser, type NewUser, NewUserSchema } from "@weft/contracts/user";
import { WeftError } from "@weft/kit";
import { addToOutbox } from "@weft/outbox";
import { hashPassword } from "@weft/security";
import { userCreated } from "../domain/events.ts";
import { emailKey, type User } from "../domain/user.ts";
import { insertNewUsers } from "../store/users.ts";
import { type Cause, stamp, type UserContext } from "./users.ts";

/** How an import went. */
export interface ImportResult {
  readonly created: number;
  /** Those whose e-mail address was taken. */
  readonly skipped: number;
  readonly failed: number;
  /** The first {@link maxErrors}. */
  readonly errors: readonly ImportProblem[];
}

export interface ImportProblem {
  /** In the caller's input, from 1. */
  readonly line: number;
  readonly reason: string;
  readonly detail: string;
}

/** Most errors that are listed. */
export const maxErrors = 1000;

/** Passwords hashed at the same time: the pool of @weft/security is shared with logins. */
const hashConcurrency = 2;

/**
 * Creates users out of batches, each batch in a transaction together with its events: what is counted as created is
 * durable and will be announced, whatever happens afterwards. A bad item is reported, the others of its batch go in.
 */
export async function importUsers(
  context: UserContext,
  batches: AsyncIterable<readonly ImportUser[]>,
  cause: Cause,
): Promise<ImportResult> {
  const result = { created: 0, skipped: 0, failed: 0, errors: [] as ImportProblem[] };
  for await (const items of batches) {
    const { good, bad } = check(items);
    const created = await createAll(context, good, cause);
    result.created += created;
    result.skipped += good.length - created;
    result.failed += bad.length;
    result.errors.push(...bad.slice(0, maxErrors - result.errors.length));
  }
  return result;
}

const validator = createValidator();

/** Tells the good from the bad. Later ones with the address of an earlier one stay among the good: they are skipped. */
function check(items: readonly ImportUser[]): {
  readonly good: readonly NewUser[];
  readonly bad: readonly ImportProblem[];
} {
  const good: NewUser[] = [];
  const bad: ImportProblem[] = [];
  for (const { line, user = create(NewUserSchema) } of items) {
    const detail = problemOf(user);
    if (detail === undefined) good.push(user);
    else bad.push({ line, reason: "INVALID_ARGUMENT", detail });
  }
  return { good, bad };
}

function problemOf(user: NewUser): string | undefined {
  const result = validator.validate(NewUserSchema, user);
  if (result.kind === "error") throw WeftError.from(result.error); // A rule that does not compile is our bug.
  const [violation] = result.kind === "invalid" ? result.violations : [];
  if (violation !== undefined) return `${pathToString(violation.field)}: ${violation.message}`;
  // PostgreSQL can't store it, and would refuse the whole batch.
  const { email, name, bio, location, tags } = user;
  return [email, name, bio, location, ...tags].some((text) => text.includes("\0"))
    ? "holds a NUL character"
    : undefined;
}

/** Number of users created. */
async function createAll(context: UserContext, news: readonly NewUser[], { trace }: Cause): Promise<number> {
  const first = new Map<string, NewUser>();
  for (const user of news) if (!first.has(emailKey(user.email))) first.set(emailKey(user.email), user);
  const time = context.clock.now();
  const accounts = (await withHashes([...first.values()])).map(({ user, passwordHash }) => {
    const { email, name, bio, location, locale, tags } = user;
    const made: User = {
      ...{ email, name, bio, location, locale, tags },
      ...{ id: context.newId(), createdAt: time, updatedAt: time, version: 1 },
    };
    return { user: made, passwordHash };
  });
  // Always in the same order, so that imports of the same people don't wait for each other in a circle.
  const ordered = accounts.toSorted((a, b) => (emailKey(a.user.email) < emailKey(b.user.email) ? -1 : 1));
  return context.database.transaction(async (transaction) => {
    const created = await insertNewUsers(transaction, ordered);
    const events = accounts
      .filter(({ user }) => created.has(user.id))
      .map(({ user }) => userCreated(user, stamp(context, trace, time)));
    await addToOutbox(transaction, events);
    return created.size;
  });
}

interface Hashed {
  readonly user: NewUser;
  readonly passwordHash: string | undefined;
}

async function withHashes(users: readonly NewUser[]): Promise<readonly Hashed[]> {
  const hashed = new Map<NewUser, string>();
  const waiting = users.values().filter(({ password }) => password !== undefined);
  const work = async (): Promise<void> => {
    for (const user of waiting) if (user.password !== undefined) hashed.set(user, await hashPassword(user.password));
  };
  await Promise.all(Array.from({ length: hashConcurrency }, work));
  return users.map((user) => ({ user, passwordHash: hashed.get(user) }));
}
