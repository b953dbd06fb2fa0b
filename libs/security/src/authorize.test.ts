import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { AccessSchema } from "@weft/contracts/options";
import { GetUserRequestSchema } from "@weft/contracts/user";
import { WeftError } from "@weft/kit";
import { describe, expect, test } from "vitest";
import { authorize } from "./authorize.ts";
import type { Principal } from "./principal.ts";

type Rule = MessageInitShape<typeof AccessSchema>["rule"];

const callers = {
  nobody: undefined,
  owner: { subject: "u1", roles: [] },
  other: { subject: "u2", roles: [] },
  editor: { subject: "u3", roles: ["editor"] },
  admin: { subject: "admin", roles: ["admin"] },
} satisfies Record<string, Principal | undefined>;

function outcomes(rule: Rule | "none", id = "u1"): Record<string, string> {
  const access = rule === "none" ? undefined : create(AccessSchema, rule === undefined ? {} : { rule });
  const message = create(GetUserRequestSchema, { id });
  return Object.fromEntries(
    Object.entries(callers).map(([name, principal]) => {
      try {
        authorize({ access, principal, schema: GetUserRequestSchema, message });
        return [name, "in"];
      } catch (error) {
        if (error instanceof WeftError) return [name, error.reason];
        throw error;
      }
    }),
  );
}

const nobodyIn = {
  nobody: "PERMISSION_DENIED",
  owner: "PERMISSION_DENIED",
  other: "PERMISSION_DENIED",
  editor: "PERMISSION_DENIED",
  admin: "PERMISSION_DENIED",
};

describe("access by contract", () => {
  test("public lets everybody in", () => {
    expect(new Set(Object.values(outcomes({ case: "public", value: true })))).toEqual(new Set(["in"]));
  });

  test("authenticated lets in whoever has a token", () => {
    expect(outcomes({ case: "authenticated", value: true })).toEqual({
      nobody: "UNAUTHENTICATED",
      owner: "in",
      other: "in",
      editor: "in",
      admin: "in",
    });
  });

  test("roles lets in holders of one of them", () => {
    expect(outcomes({ case: "roles", value: { anyOf: ["admin", "editor"] } })).toEqual({
      nobody: "UNAUTHENTICATED",
      owner: "PERMISSION_DENIED",
      other: "PERMISSION_DENIED",
      editor: "in",
      admin: "in",
    });
  });

  test("owner lets in the subject of the field and administrators", () => {
    expect(outcomes({ case: "owner", value: { field: "id" } })).toEqual({
      nobody: "UNAUTHENTICATED",
      owner: "in",
      other: "PERMISSION_DENIED",
      editor: "PERMISSION_DENIED",
      admin: "in",
    });
  });

  test("an empty owner stands for the caller", () => {
    expect(outcomes({ case: "owner", value: { field: "id" } }, "").other).toBe("in");
  });

  test("nobody gets in without a rule, by a rule that says no, or by a field that is not there", () => {
    expect(outcomes("none")).toEqual(nobodyIn);
    expect(outcomes(undefined)).toEqual(nobodyIn);
    expect(outcomes({ case: "public", value: false })).toEqual(nobodyIn);
    expect(outcomes({ case: "owner", value: { field: "absent" } })).toEqual({ ...nobodyIn, nobody: "UNAUTHENTICATED" });
  });
});
