import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { applyPatch, changes, fieldsToSet, type Patch, patchFields } from "./patch.ts";
import type { Profile } from "./user.ts";

const text = fc.constantFrom("", "a", "b", "c");
const tags = fc.subarray(["x", "y", "z"]);
const profiles: fc.Arbitrary<Profile> = fc.record({
  email: fc.constantFrom("a@example.org", "b@example.org"),
  name: fc.constantFrom("Ada", "Bob"),
  bio: text,
  location: text,
  locale: text,
  tags,
});
const patches: fc.Arbitrary<Patch> = fc.record({
  email: text,
  name: text,
  bio: text,
  location: text,
  locale: text,
  tags,
  password: fc.constantFrom(undefined, "correct horse"),
});
const masks = fc.uniqueArray(fc.constantFrom(...patchFields), { minLength: 1 });

const empty: Patch = { email: "", name: "", bio: "", location: "", locale: "", tags: [], password: undefined };

describe("an update mask", () => {
  test("sets what it names and nothing else", () => {
    fc.assert(
      fc.property(profiles, patches, masks, (user, patch, mask) => {
        fc.pre(!mask.some((field) => ["email", "name", "password"].includes(field) && !patch[field]));
        const fields = fieldsToSet(patch, mask);
        expect(new Set(fields)).toEqual(new Set(mask));
        const after = applyPatch(user, patch, changes(user, patch, fields));
        for (const field of ["email", "name", "bio", "location", "locale", "tags"] as const) {
          expect(after[field]).toEqual(mask.includes(field) ? patch[field] : user[field]);
        }
      }),
    );
  });

  test("that is empty sets what has a value, and applying it again changes nothing", () => {
    fc.assert(
      fc.property(profiles, patches, (user, patch) => {
        const fields = fieldsToSet(patch, []);
        expect(fields).toEqual(patchFields.filter((field) => patch[field] !== undefined && patch[field].length > 0));
        const after = applyPatch(user, patch, fields);
        expect(changes(after, patch, fields)).toEqual(fields.filter((field) => field === "password"));
      }),
    );
  });

  test.for([
    ["an unknown field", { ...empty }, ["roles"]],
    ["a field of a field", { ...empty }, ["name.first"]],
    ["an output-only field", { ...empty }, ["id"]],
    ["a name taken away", { ...empty }, ["name"]],
    ["an e-mail address taken away", { ...empty, name: "Ada" }, ["*"]],
    ["a password taken away", { ...empty }, ["password"]],
    ["* beside others", { ...empty, name: "Ada", email: "a@example.org" }, ["*", "name"]],
  ] as const)("refuses %s", ([, patch, mask]) => {
    expect(() => fieldsToSet(patch, mask)).toThrow(expect.objectContaining({ reason: "INVALID_ARGUMENT" }));
  });

  test("* replaces everything but a password that is not given", () => {
    const patch = { ...empty, name: "Ada", email: "a@example.org" };
    expect(fieldsToSet(patch, ["*"])).toEqual(["email", "name", "bio", "location", "locale", "tags"]);
  });
});
