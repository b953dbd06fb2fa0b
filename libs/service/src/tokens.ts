import { AuthService } from "@weft/contracts/user";
import type { Clock } from "@weft/kit";
import { createTokenVerifier, type TokenVerifier } from "@weft/security";
import type { Mesh } from "./mesh.ts";

/** Verifies access tokens with the key set that the user service publishes. Nothing is fetched before a token comes. */
export function meshTokens(mesh: Mesh, clock: Clock): TokenVerifier {
  const keys = async () => {
    const answer = await mesh.client(AuthService, "user").getJwks({});
    return { keys: answer.keys.map(({ kty, crv, x, kid, alg, use }) => ({ kty, crv, x, kid, alg, use })) };
  };
  return createTokenVerifier({ keys, clock });
}
