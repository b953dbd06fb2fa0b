import type { Generated } from "kysely";
import { outboxMigrations } from "@weft/outbox";
import type { Migration, SqlDatabase } from "@weft/sql";

/** The tables of this service. */
export interface Schema {
  readonly users: UsersTable;
  readonly create_requests: CreateRequestsTable;
  readonly sessions: SessionsTable;
  readonly signing_keys: SigningKeysTable;
}

export type Database = SqlDatabase<Schema>;

export interface UsersTable {
  id: string;
  email: string;
  email_key: string;
  name: string;
  bio: string;
  location: string;
  locale: string;
  tags: string[];
  roles: Generated<string[]>;
  password_hash: string | null;
  create_time: Date;
  update_time: Date;
  version: number;
}

interface CreateRequestsTable {
  request_id: string;
  fingerprint: string;
  user_id: string;
  create_time: Date;
}

interface SessionsTable {
  id: string;
  user_id: string;
  token_hash: string;
  expire_time: Date;
}

interface SigningKeysTable {
  kid: string;
  /** JWK with the private part. */
  private_jwk: string;
  create_time: Date;
}

/** Names of constraints that the code looks at. */
export const emailConstraint = "users_email_key";

export const migrations: readonly Migration[] = [
  ...outboxMigrations,
  {
    name: "1001-users",
    up: `
      create table users (
        id text collate "C" primary key,
        email text not null,
        -- What makes addresses the same: see emailKey.
        email_key text collate "C" not null constraint ${emailConstraint} unique,
        name text not null,
        bio text not null,
        location text not null,
        locale text not null,
        tags text[] not null,
        roles text[] not null default '{}',
        password_hash text,
        create_time timestamptz(3) not null,
        update_time timestamptz(3) not null,
        version integer not null
      );
      -- The orders of ListUsers.
      create index users_by_create_time on users (create_time, id);
      create index users_by_name on users (name, id);

      create table create_requests (
        request_id text collate "C" primary key,
        fingerprint text not null,
        user_id text not null,
        create_time timestamptz(3) not null
      );
      create index create_requests_by_time on create_requests (create_time);

      create table sessions (
        id text collate "C" primary key,
        user_id text not null references users (id) on delete cascade,
        -- SHA-256 of the one refresh token that is good now.
        token_hash text not null,
        expire_time timestamptz(3) not null
      );
      create index sessions_by_user on sessions (user_id);
      create index sessions_by_time on sessions (expire_time);

      create table signing_keys (
        kid text primary key,
        private_jwk text not null,
        create_time timestamptz(3) not null
      )`,
  },
];
