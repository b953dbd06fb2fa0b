import { AuthService } from "@weft/contracts/user";
import { implement, type ServiceImplementation } from "@weft/rpc";
import { login, logout, refresh, type SessionContext } from "../app/sessions.ts";

const tokenType = "Bearer";

/** `weft.user.v1.AuthService` over the use cases. */
export function authService(context: SessionContext): ServiceImplementation {
  return implement(AuthService, {
    login: async ({ email, password }) => ({ ...(await login(context, { email, password })), tokenType }),
    refresh: async ({ refreshToken }) => ({ ...(await refresh(context, refreshToken)), tokenType }),
    logout: async ({ refreshToken }) => {
      await logout(context, refreshToken);
      return {};
    },
    getJwks: () => ({
      keys: context.keys.publicKeys.keys.map(({ kty = "", crv = "", x = "", kid = "", alg = "", use = "" }) => {
        return { kty, crv, x, kid, alg, use };
      }),
    }),
  });
}
