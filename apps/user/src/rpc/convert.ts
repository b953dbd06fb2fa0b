import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type NewUser, type User as UserMessage, type UserPatch, UserSchema } from "@weft/contracts/user";
import { adminRole, type Principal } from "@weft/security";
import type { Patch } from "../domain/patch.ts";
import { etagOf, type Profile, type User } from "../domain/user.ts";

/** A user as this caller may see it: somebody else's e-mail address is shown to administrators alone. */
export function toMessageFor(caller: Principal | undefined, user: User): UserMessage {
  return caller?.subject === user.id || isAdmin(caller) ? toMessage(user) : toMessage({ ...user, email: "" });
}

export function isAdmin(caller: Principal | undefined): boolean {
  return caller?.roles.includes(adminRole) ?? false;
}

/** A user with everything, for the user themselves. */
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
