import {
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  type JSONWebKeySet,
  SignJWT,
} from "jose";
import { WeftError } from "@weft/kit";
import { loadKeys, type StoredKey } from "../store/keys.ts";
import type { UserContext } from "./users.ts";

/** What a token says. */
export interface TokenClaims {
  readonly subject: string;
  readonly roles: readonly string[];
  /** Of this very token. */
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** Signs tokens, and says by which keys they are verified. */
export interface SigningKeys {
  sign(claims: TokenClaims): Promise<string>;
  /** Public parts alone (RFC 7517, RFC 8037). */
  readonly publicKeys: JSONWebKeySet;
}

export const issuer = "weft";
const algorithm = "EdDSA";

/** The keys that all replicas share; made by the first of them. `DATA_LOSS` when they can't be read. */
export async function openSigningKeys({ database, clock }: UserContext): Promise<SigningKeys> {
  const stored = await loadKeys(database, { make: makeKey, now: clock.now() });
  const jwks = stored.map(parse);
  const [current] = jwks;
  if (current === undefined) throw new WeftError("INTERNAL", "there is no signing key");
  const key = await importJWK(current, algorithm);
  const header = { alg: algorithm, typ: "JWT", kid: current.kid };
  return {
    publicKeys: { keys: jwks.map(publicPart) },
    sign: ({ subject, roles, id, issuedAt, expiresAt }) =>
      new SignJWT({ roles: [...roles] })
        .setProtectedHeader(header)
        .setIssuer(issuer)
        .setSubject(subject)
        .setJti(id)
        .setIssuedAt(Math.floor(issuedAt / 1000))
        .setExpirationTime(Math.floor(expiresAt / 1000))
        .sign(key),
  };
}

type PrivateJwk = JWK & { readonly kid: string };

async function makeKey(): Promise<StoredKey> {
  const { privateKey } = await generateKeyPair(algorithm, { crv: "Ed25519", extractable: true });
  const jwk = await exportJWK(privateKey);
  const kid = await calculateJwkThumbprint(jwk);
  return { kid, privateJwk: JSON.stringify(jwk) };
}

function parse({ kid, privateJwk }: StoredKey): PrivateJwk {
  try {
    const jwk: JWK = JSON.parse(privateJwk);
    return { ...jwk, kid };
  } catch {
    // Without a cause: its message quotes the text.
    throw new WeftError("DATA_LOSS", "a signing key can't be read", { metadata: { kid } });
  }
}

function publicPart({ kty, crv, x, kid }: PrivateJwk): JWK {
  return { kty: kty ?? "OKP", crv: crv ?? "", x: x ?? "", kid, alg: algorithm, use: "sig" };
}
