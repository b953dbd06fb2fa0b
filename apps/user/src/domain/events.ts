import { create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  UserCreatedSchema,
  UserDeletedSchema,
  type UserState,
  UserStateSchema,
  UserUpdatedSchema,
  userTopic,
} from "@weft/contracts/event";
import type { OutboxEntry } from "@weft/outbox";
import { formatTraceparent, type TraceContext } from "@weft/telemetry";
import type { PatchField } from "./patch.ts";
import type { User } from "./user.ts";

/** What an event has beside what happened. */
export interface EventStamp {
  /** Id of the event itself. */
  readonly eventId: string;
  /** Of the call that caused it. */
  readonly trace: TraceContext;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

export function userCreated(user: User, stamp: EventStamp): OutboxEntry {
  return entry(user, stamp, UserCreatedSchema, create(UserCreatedSchema, { user: stateOf(user) }));
}

/** @param changed the fields that were set; of a password, only that it was */
export function userUpdated(user: User, changed: readonly PatchField[], stamp: EventStamp): OutboxEntry {
  const message = create(UserUpdatedSchema, { user: stateOf(user), changed: { paths: [...changed] } });
  return entry(user, stamp, UserUpdatedSchema, message);
}

/** @param last the user as it was; its deletion is one version more */
export function userDeleted(last: Pick<User, "id" | "version">, stamp: EventStamp): OutboxEntry {
  const { id } = last;
  const version = last.version + 1;
  const message = create(UserDeletedSchema, {
    id,
    version: BigInt(version),
    deleteTime: timestampFromMs(stamp.time),
  });
  return entry({ id, version }, stamp, UserDeletedSchema, message);
}

function stateOf(user: User): UserState {
  const { id, email, name, bio, location, locale, tags, createdAt, updatedAt, version } = user;
  return create(UserStateSchema, {
    id,
    email,
    name,
    bio,
    location,
    locale,
    tags: [...tags],
    createTime: timestampFromMs(createdAt),
    updateTime: timestampFromMs(updatedAt),
    version: BigInt(version),
  });
}

function entry<D extends DescMessage>(
  { id, version }: Pick<User, "id" | "version">,
  { eventId, trace, time }: EventStamp,
  schema: D,
  message: MessageShape<D>,
): OutboxEntry {
  return {
    topic: userTopic.name,
    key: id,
    event: {
      id: eventId,
      source: "/weft/user",
      type: schema.typeName,
      subject: id,
      time,
      dataContentType: "application/protobuf",
      data: toBinary(schema, message),
      extensions: {
        aggregateversion: String(version),
        traceparent: formatTraceparent(trace),
        ...(trace.state === undefined ? {} : { tracestate: trace.state }),
      },
    },
  };
}
