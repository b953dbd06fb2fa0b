import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type NewUser, type User as UserMessage, type UserPatch, UserSchema } from "@weft/contracts/user";
import type { Patch } from "../domain/patch.ts";
import { etagOf, type Profile, type User } from "../domain/user.ts";

/** A user as callers see it. */
export function toMessage(user: User): UserMessage {
  const { id, email, name, bio, location, locale, tags, createdAt, updatedAt } = user;
  return create(UserSchema, {
    ...{ id, email, name, bio, location, locale, tags: [...tags] },
    createTime: timestampFromMs(createdAt),
    updateTime: timestampFromMs(updatedAt),
    etag: etagOf(user),
  });
}

export function toProfile({ email, name, bio, location, locale, tags }: NewUser | UserPatch): Profile {
  return { email, name, bio, location, locale, tags };
}

export function toPatch(patch: UserPatch): Patch {
  return { ...toProfile(patch), password: patch.password };
}
