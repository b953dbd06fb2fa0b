import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type NewUser, type User, UserSchema } from "@weft/contracts/user";

/** The handler that every server of the comparison calls: no store, so that the way there is what is measured. */
export const handlers = {
  getUser: (id: string): User => ({ ...sample, id }),
  createUser: (user: NewUser | undefined): User => ({ ...sample, email: user?.email ?? "", name: user?.name ?? "" }),
};

const sample = create(UserSchema, {
  id: "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
  email: "ada@example.org",
  name: "Ada Lovelace",
  bio: "mathematician, first to see what an analytical engine could do",
  location: "London",
  locale: "en-GB",
  tags: ["born-1815", "century-19", "mathematics"],
  createTime: timestampFromMs(1_760_000_000_000),
  updateTime: timestampFromMs(1_760_000_000_000),
  etag: "1",
});
