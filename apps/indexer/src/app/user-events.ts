import { once } from "node:events";
import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { UserCreatedSchema, UserDeletedSchema, type UserState, UserUpdatedSchema } from "@weft/contracts/event";
import { WeftError } from "@weft/kit";
import type { CloudEvent, PubSub } from "@weft/pubsub";
import type { DocumentChange, SearchEngine } from "@weft/search";
import { userDocument, usersIndex } from "../domain/users-index.ts";

const topic = "weft.user.v1";
const group = "indexer";

/** Keeps the index of people as the events say, until the signal aborts. */
export async function followUsers(engine: SearchEngine, pubsub: PubSub, signal: AbortSignal): Promise<void> {
  await pubsub.ensureTopic(topic, { partitions: 8 });
  await using subscription = await pubsub.subscribe({
    group,
    topics: [topic],
    handle: async ({ event }) => {
      const change = changeOf(event);
      if (change !== undefined) await take(engine, change);
    },
  });
  if (!signal.aborted) await Promise.race([once(signal, "abort"), subscription.ended]);
}

/**
 * The change that an event means, under the user's own version: one that comes twice, or after a newer one, changes
 * nothing. Undefined for an event of another kind; `INVALID_ARGUMENT` for one that can't be read.
 */
export function changeOf({ type, data }: CloudEvent): DocumentChange | undefined {
  switch (type) {
    case UserCreatedSchema.typeName:
      return put(read(UserCreatedSchema, data).user);
    case UserUpdatedSchema.typeName:
      return put(read(UserUpdatedSchema, data).user);
    case UserDeletedSchema.typeName: {
      const { id, version } = read(UserDeletedSchema, data);
      return { kind: "delete", id, version };
    }
    default:
      return undefined;
  }
}

function read<D extends DescMessage>(schema: D, data: Uint8Array): MessageShape<D> {
  try {
    return fromBinary(schema, data);
  } catch (cause) {
    throw new WeftError("INVALID_ARGUMENT", `the payload is no ${schema.typeName}`, { cause });
  }
}

function put(user: UserState | undefined): DocumentChange {
  if (user === undefined) throw new WeftError("INVALID_ARGUMENT", "the event has no user");
  return { kind: "put", id: user.id, version: user.version, document: userDocument(user) };
}

async function take(engine: SearchEngine, change: DocumentChange): Promise<void> {
  const [result] = await engine.apply(usersIndex.index, [change]);
  if (result?.outcome === "failed") throw new WeftError(result.reason, result.detail);
}
