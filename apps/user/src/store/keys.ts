import { sql } from "kysely";
import type { Database } from "./schema.ts";

/** A key pair as it is kept. */
export interface StoredKey {
  readonly kid: string;
  /** JWK with the private part: never logged, never answered. */
  readonly privateJwk: string;
}

/** The keys, newest first; `make` makes the first one, once, however many replicas ask at the same time. */
export async function loadKeys(
  database: Database,
  options: { readonly make: () => Promise<StoredKey>; readonly now: number },
): Promise<readonly StoredKey[]> {
  const { make, now } = options;
  return database.transaction(async (transaction) => {
    const keys = transaction
      .selectFrom("signing_keys")
      .select(["kid", "private_jwk as privateJwk"])
      .orderBy("create_time", "desc")
      .orderBy("kid");
    const known = await keys.execute();
    if (known.length > 0) return known;
    await sql`lock table signing_keys in exclusive mode`.execute(transaction);
    // Another replica may have been faster.
    const meanwhile = await keys.execute();
    if (meanwhile.length > 0) return meanwhile;
    const made = await make();
    await transaction
      .insertInto("signing_keys")
      .values({ kid: made.kid, private_jwk: made.privateJwk, create_time: new Date(now) })
      .execute();
    return [made];
  });
}
