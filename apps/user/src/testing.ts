import { fromBinary } from "@bufbuild/protobuf";
import { sql } from "kysely";
import { UserCreatedSchema, UserDeletedSchema, UserUpdatedSchema } from "@weft/contracts/event";
import { ManualClock, newUuid } from "@weft/kit";
import type { UserContext } from "./app/users.ts";
import type { Profile } from "./domain/user.ts";
import { type Database, migrations } from "./store/schema.ts";

/** The call that tests make their changes for. */
export const cause = {
  trace: { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", sampled: true },
};

export async function testContext(database: Database): Promise<UserContext & { readonly clock: ManualClock }> {
  await database.migrate(migrations);
  return { database, clock: new ManualClock(), newId: newUuid };
}

export function profileOf(values: Partial<Profile> = {}): Profile {
  return { email: "ada@example.org", name: "Ada", bio: "", location: "", locale: "", tags: [], ...values };
}

interface Announced {
  readonly key: string;
  readonly type: string;
  readonly version: string;
  readonly traceparent: string;
  readonly event: unknown;
}

const schemas = { created: UserCreatedSchema, updated: UserUpdatedSchema, deleted: UserDeletedSchema };

/** What waits in the outbox, in order. */
export async function announced(database: Database): Promise<readonly Announced[]> {
  const { rows } = await sql<{ key: string; type: string; version: string; traceparent: string; data: Buffer }>`
    select key, data, attributes ->> 'type' as type, attributes -> 'extensions' ->> 'aggregateversion' as version,
           attributes -> 'extensions' ->> 'traceparent' as traceparent
    from weft_outbox order by id`.execute(database.kysely);
  return rows.map(({ data, ...row }) => {
    const schema = Object.values(schemas).find(({ typeName }) => typeName === row.type);
    if (schema === undefined) throw new Error(`unknown type of event ${row.type}`);
    return { ...row, event: fromBinary(schema, data) };
  });
}
