import { type Clock, systemClock, WeftError } from "@weft/kit";
import { errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from "jose";
import { KeyCache, type KeySet } from "./key-cache.ts";
import type { Principal } from "./principal.ts";
import type { TokenVerifier } from "./verifier.ts";

export interface TokenVerifierOptions {
  /** The key set of the issuer (RFC 7517). Asked at the first token, and again for one signed by a key not known. */
  readonly keys: () => Promise<JSONWebKeySet>;
  readonly clock?: Clock;
  /** Expected `iss`. Default `weft`. */
  readonly issuer?: string;
  /** Verified tokens that are remembered until they expire; the oldest unused go first. Default 10,000. */
  readonly cacheSize?: number;
}

/** Difference between clocks of machines that is let pass, in seconds. */
const leewaySeconds = 5;
const longestTokenLength = 8 * 1024;

interface Verified {
  readonly principal: Principal;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/**
 * Verifies JWTs signed with EdDSA (RFC 8037), and nothing else: `none` and the algorithms of other key types fail.
 * A token that was verified before costs a look-up in a map.
 */
export function createTokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  return new JwtVerifier(options);
}

class JwtVerifier implements TokenVerifier {
  readonly #clock: Clock;
  readonly #issuer: string;
  readonly #cacheSize: number;
  readonly #keys: KeyCache;
  /** By token, in order of use. */
  readonly #verified = new Map<string, Verified>();

  constructor({ keys, clock = systemClock, issuer = "weft", cacheSize = 10_000 }: TokenVerifierOptions) {
    this.#clock = clock;
    this.#issuer = issuer;
    this.#cacheSize = cacheSize;
    this.#keys = new KeyCache(keys, clock);
  }

  verify(authorization: string | undefined): Principal | undefined | Promise<Principal> {
    if (authorization === undefined || authorization === "") return undefined;
    const token = bearerOf(authorization);
    if (token === undefined) return Promise.reject(invalid());
    const known = this.#verified.get(token);
    if (known === undefined) return this.#verify(token);
    this.#verified.delete(token);
    if (this.#clock.now() >= known.expiresAt) return Promise.reject(expired());
    this.#verified.set(token, known);
    return known.principal;
  }

  async #verify(token: string): Promise<Principal> {
    const payload = await this.#check(token, await this.#keys.get()).catch(async (error: unknown) => {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw toWeftError(error);
      // Signed by a key that is newer than our copy of the set, or by nobody.
      const fresh = await this.#keys.refresh();
      return this.#check(token, fresh).catch((again: unknown) => {
        throw toWeftError(again);
      });
    });
    const { sub, exp } = payload;
    if (sub === undefined || sub === "" || exp === undefined) throw invalid();
    const principal: Principal = { subject: sub, roles: rolesOf(payload) };
    this.#remember(token, { principal, expiresAt: (exp + leewaySeconds) * 1_000 });
    return principal;
  }

  async #check(token: string, keys: KeySet): Promise<JWTPayload> {
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ["EdDSA", "Ed25519"],
      issuer: this.#issuer,
      clockTolerance: leewaySeconds,
      currentDate: new Date(this.#clock.now()),
      requiredClaims: ["sub", "exp"],
    });
    return payload;
  }

  #remember(token: string, verified: Verified): void {
    this.#verified.set(token, verified);
    if (this.#verified.size <= this.#cacheSize) return;
    const [oldest] = this.#verified.keys();
    if (oldest !== undefined) this.#verified.delete(oldest);
  }
}

/** The token of `Bearer …` (RFC 6750; the scheme's case does not matter). */
function bearerOf(authorization: string): string | undefined {
  if (authorization.length > longestTokenLength) return undefined;
  return /^bearer +([\w-]+\.[\w-]+\.[\w-]*)$/i.exec(authorization)?.[1];
}

function rolesOf(payload: JWTPayload): readonly string[] {
  const { roles } = payload;
  return Array.isArray(roles) ? roles.filter((role): role is string => typeof role === "string") : [];
}

function toWeftError(error: unknown): unknown {
  if (error instanceof errors.JWTExpired) return expired();
  return error instanceof errors.JOSEError || error instanceof TypeError ? invalid(error) : error;
}

function expired(): WeftError {
  return new WeftError("TOKEN_EXPIRED", "the token has expired");
}

function invalid(cause?: unknown): WeftError {
  return new WeftError("UNAUTHENTICATED", "the token is not valid", { cause });
}
