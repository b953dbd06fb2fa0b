export { type AccessRequest, adminRole, authorize } from "./authorize.ts";
export { hashPassword, verifyPassword } from "./password.ts";
export type { Principal } from "./principal.ts";
export { createTokenVerifier, type TokenVerifierOptions } from "./token-verifier.ts";
export type { TokenVerifier } from "./verifier.ts";
