import { create } from "@bufbuild/protobuf";
import {
  type ImportUser,
  NewUserSchema,
  type ImportUsersRequest,
  UserPatchSchema,
  UserService,
} from "@weft/contracts/user";
import { implement, type ServiceImplementation } from "@weft/rpc";
import { importUsers } from "../app/import-users.ts";
import { listPage } from "../app/list-users.ts";
import { republishUsers } from "../app/republish-users.ts";
import { batchGetUsers, changeUser, createUser, getUser, removeUser, type UserContext } from "../app/users.ts";
import { isAdmin, toMessage, toMessageFor, toPatch, toProfile } from "./convert.ts";

/** `weft.user.v1.UserService` over the use cases. */
export function userService(context: UserContext): ServiceImplementation {
  return implement(UserService, {
    // The contract says that `user` is there; an empty one stands in only for the compiler.
    createUser: async ({ user = create(NewUserSchema), requestId }, { trace }) => {
      const { password } = user;
      return { user: toMessage(await createUser(context, { profile: toProfile(user), password, requestId, trace })) };
    },
    getUser: async ({ id }, { principal, signal }) => ({
      user: toMessageFor(principal, await getUser(context, id, signal)),
    }),
    listUsers: async ({ pageSize: size, pageToken, filter, orderBy }, { principal, signal }) => {
      const request = { size, pageToken, filter, orderBy, byEmail: isAdmin(principal) };
      const { users, nextPageToken } = await listPage(context, request, signal);
      return { users: users.map((user) => toMessageFor(principal, user)), nextPageToken };
    },
    updateUser: async ({ id, user = create(UserPatchSchema), updateMask, etag }, { trace }) => {
      const mask = updateMask?.paths ?? [];
      return { user: toMessage(await changeUser(context, { id, patch: toPatch(user), mask, etag, trace })) };
    },
    deleteUser: async ({ id, etag }, { trace }) => {
      await removeUser(context, { id, etag, trace });
      return {};
    },
    batchGetUsers: async ({ ids }, { principal, signal }) => ({
      users: (await batchGetUsers(context, ids, signal)).map((user) => toMessageFor(principal, user)),
    }),
    importUsers: async (requests, { trace }) => {
      const result = await importUsers(context, itemsOf(requests), { trace });
      return { ...result, errors: [...result.errors] };
    },
    republishUsers: async (_, { trace, signal }) => ({
      republished: await republishUsers(context, { trace, signal }),
    }),
  });
}

async function* itemsOf(requests: AsyncIterable<ImportUsersRequest>): AsyncIterable<readonly ImportUser[]> {
  for await (const { items } of requests) yield items;
}
