import type { Kysely, Selectable, Transaction } from "kysely";
import { isWeftError, WeftError } from "@weft/kit";
import { emailKey, type User } from "../domain/user.ts";
import { emailConstraint, type Schema, type UsersTable } from "./schema.ts";

export type Row = Selectable<UsersTable>;

/** A user with what only this service may know. */
export interface Account {
  readonly user: User;
  readonly passwordHash: string | undefined;
  readonly roles: readonly string[];
}

/** `ALREADY_EXISTS` when the e-mail address is taken. */
export async function insertUser(transaction: Transaction<Schema>, account: Omit<Account, "roles">): Promise<void> {
  await orTaken(transaction.insertInto("users").values(toRow(account)).execute());
}

/** Inserts those whose e-mail address is not taken; the ids of the others are missing from the answer. */
export async function insertNewUsers(
  transaction: Transaction<Schema>,
  accounts: readonly Omit<Account, "roles">[],
): Promise<ReadonlySet<string>> {
  if (accounts.length === 0) return new Set();
  const inserted = await transaction
    .insertInto("users")
    .values(accounts.map(toRow))
    .onConflict((conflict) => conflict.column("email_key").doNothing())
    .returning("id")
    .execute();
  return new Set(inserted.map(({ id }) => id));
}

/** `ALREADY_EXISTS` when the e-mail address is taken. A hash that is undefined leaves the password as it is. */
export async function updateUser(transaction: Transaction<Schema>, account: Omit<Account, "roles">): Promise<void> {
  const { id, password_hash, ...values } = toRow(account);
  const changed = password_hash === null ? values : { ...values, password_hash };
  await orTaken(transaction.updateTable("users").set(changed).where("id", "=", id).execute());
}

export async function deleteUser(transaction: Transaction<Schema>, id: string): Promise<void> {
  await transaction.deleteFrom("users").where("id", "=", id).execute();
}

export async function findUser(database: Kysely<Schema>, id: string): Promise<User | undefined> {
  const row = await database.selectFrom("users").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : toUser(row);
}

/** Keeps others from changing the user until the transaction ends. */
export async function lockUser(transaction: Transaction<Schema>, id: string): Promise<User | undefined> {
  const row = await transaction.selectFrom("users").selectAll().where("id", "=", id).forUpdate().executeTakeFirst();
  return row === undefined ? undefined : toUser(row);
}

/** The next users by id, kept from being changed until the transaction ends. Others may refer to them: a log-in waits for nothing. */
export async function lockPage(
  transaction: Transaction<Schema>,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<readonly User[]> {
  const query = transaction.selectFrom("users").selectAll().where("id", ">", after).orderBy("id").limit(limit);
  return (await query.forNoKeyUpdate().execute()).map(toUser);
}

export async function findUsers(database: Kysely<Schema>, ids: readonly string[]): Promise<readonly User[]> {
  const rows = await database.selectFrom("users").selectAll().where("id", "in", ids).execute();
  return rows.map(toUser);
}

export async function findAccount(
  database: Kysely<Schema>,
  by: { readonly email: string } | { readonly id: string },
): Promise<Account | undefined> {
  const query = database.selectFrom("users").selectAll();
  const found = "id" in by ? query.where("id", "=", by.id) : query.where("email_key", "=", emailKey(by.email));
  const row = await found.executeTakeFirst();
  if (row === undefined) return undefined;
  return { user: toUser(row), passwordHash: row.password_hash ?? undefined, roles: row.roles };
}

export function toUser(row: Row): User {
  const { id, email, name, bio, location, locale, tags, version } = row;
  const createdAt = row.create_time.getTime();
  return { id, email, name, bio, location, locale, tags, version, createdAt, updatedAt: row.update_time.getTime() };
}

function toRow({ user, passwordHash }: Omit<Account, "roles">): Omit<Row, "roles"> {
  const { createdAt, updatedAt, ...values } = user;
  return {
    ...values,
    tags: [...user.tags],
    email_key: emailKey(user.email),
    password_hash: passwordHash ?? null,
    create_time: new Date(createdAt),
    update_time: new Date(updatedAt),
  };
}

async function orTaken<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (isWeftError(error, "ALREADY_EXISTS") && error.metadata["constraint"] === emailConstraint) {
      throw new WeftError("ALREADY_EXISTS", "there is a user with this e-mail address already", {
        metadata: { field: "user.email" },
        cause: error.cause,
      });
    }
    throw error;
  }
}
