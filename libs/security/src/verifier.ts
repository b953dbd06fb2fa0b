import type { Principal } from "./principal.ts";

/** Turns the `authorization` of a call into who calls. */
export interface TokenVerifier {
  /**
   * Undefined for no authorization at all; at once for a token seen before. Fails with `UNAUTHENTICATED` for anything
   * but a genuine bearer token, `TOKEN_EXPIRED` for one whose time is over, `UNAVAILABLE` when no keys can be had.
   */
  verify(authorization: string | undefined): Principal | undefined | Promise<Principal>;
}
