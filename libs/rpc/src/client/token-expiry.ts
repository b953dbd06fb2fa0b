/**
 * When a token that a target took for good runs out, in milliseconds since the epoch: its claim `exp` (RFC 7519 §4.1.4).
 * `Infinity` for none. The signature is not looked at: a token that was changed is another one.
 */
export function expiryOf(authorization: string | undefined): number {
  const payload = authorization?.split(".")[1];
  if (payload === undefined) return Number.POSITIVE_INFINITY;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString());
    const seconds: unknown = typeof claims === "object" && claims !== null ? Reflect.get(claims, "exp") : undefined;
    return typeof seconds === "number" ? seconds * 1000 : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
