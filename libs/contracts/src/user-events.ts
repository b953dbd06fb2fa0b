import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { WeftError } from "@weft/kit";
import {
  UserCreatedSchema,
  UserDeletedSchema,
  type UserState,
  UserUpdatedSchema,
} from "./gen/weft/event/v1/user_event_pb.ts";

/** Everything that happens to users is said here, under their ids as keys, in the order of each user's versions. */
export const userTopic = { name: "weft.user.v1", partitions: 8 } as const;

/** What an event of {@link userTopic} says. Versions are the user's own. */
export type UserEvent =
  | { readonly kind: "created" | "updated"; readonly user: UserState }
  | { readonly kind: "deleted"; readonly id: string; readonly version: bigint };

/**
 * Reads a CloudEvent of {@link userTopic}. Undefined for a type that is not known here: a newer one, of no concern.
 * `INVALID_ARGUMENT` for a payload that can't be read, or names no user or no version.
 */
export function readUserEvent(event: { readonly type: string; readonly data: Uint8Array }): UserEvent | undefined {
  switch (event.type) {
    case UserCreatedSchema.typeName:
      return { kind: "created", user: named(read(UserCreatedSchema, event.data).user) };
    case UserUpdatedSchema.typeName:
      return { kind: "updated", user: named(read(UserUpdatedSchema, event.data).user) };
    case UserDeletedSchema.typeName: {
      const { id, version } = named(read(UserDeletedSchema, event.data));
      return { kind: "deleted", id, version };
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

function named<T extends { readonly id: string; readonly version: bigint }>(user: T | undefined): T {
  if (user === undefined || user.id === "") throw new WeftError("INVALID_ARGUMENT", "the event names no user");
  // Without one nobody could say what is newer, and a deletion would give way to anything.
  if (user.version < 1n) throw new WeftError("INVALID_ARGUMENT", "the event has no version of its user");
  return user;
}
