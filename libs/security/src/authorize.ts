import type { DescMessage, Message } from "@bufbuild/protobuf";
import type { Access } from "@weft/contracts/options";
import { WeftError } from "@weft/kit";
import type { Principal } from "./principal.ts";

/** Holders of this role may do what the owner of a thing may. */
export const adminRole = "admin";

/** What {@link authorize} looks at. */
export interface AccessRequest {
  /** The rule of the method; a method without one lets nobody in. */
  readonly access: Access | undefined;
  /** Who calls; undefined without a token. */
  readonly principal: Principal | undefined;
  readonly schema: DescMessage;
  /** Where an owner rule finds the owner's id. */
  readonly message: Message;
}

/**
 * Throws unless the contract lets the caller in: `UNAUTHENTICATED` for a caller without a token where one is needed,
 * `PERMISSION_DENIED` for a known one.
 */
export function authorize({ access, principal, schema, message }: AccessRequest): void {
  const rule = access?.rule;
  switch (rule?.case) {
    case "public":
      if (rule.value) return;
      throw denied();
    case "authenticated":
      need(principal);
      if (rule.value) return;
      throw denied();
    case "roles": {
      const { roles } = need(principal);
      if (rule.value.anyOf.some((role) => roles.includes(role))) return;
      throw denied();
    }
    case "owner": {
      const { subject, roles } = need(principal);
      const owner = ownerIn(schema, message, rule.value.field);
      if (owner === "" || owner === subject || roles.includes(adminRole)) return;
      throw denied();
    }
    default:
      throw denied();
  }
}

function need(principal: Principal | undefined): Principal {
  if (principal === undefined) throw new WeftError("UNAUTHENTICATED", "a token is needed");
  return principal;
}

function denied(): WeftError {
  return new WeftError("PERMISSION_DENIED", "the caller may not do this");
}

/** The value of a string field; anything but a string is a bug of the contract, and denies. */
function ownerIn(schema: DescMessage, message: Message, fieldName: string): string {
  const field = schema.fields.find(({ name }) => name === fieldName);
  if (field === undefined) throw denied();
  const value: unknown = Reflect.get(message, field.localName);
  if (typeof value !== "string") throw denied();
  return value;
}
