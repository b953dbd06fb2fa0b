import { ManualClock, WeftError } from "@weft/kit";
import { exportJWK, generateKeyPair, type JSONWebKeySet, type JWTPayload, SignJWT, UnsecuredJWT } from "jose";
import { describe, expect, test } from "vitest";
import { createTokenVerifier } from "./token-verifier.ts";

async function issuer(kid = "k1") {
  const { privateKey, publicKey } = await generateKeyPair("EdDSA", { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: "EdDSA", use: "sig" };
  const sign = (claims: JWTPayload): Promise<string> =>
    new SignJWT({ iss: "weft", ...claims }).setProtectedHeader({ alg: "EdDSA", kid }).sign(privateKey);
  return { jwk, sign };
}

function fixture(set: JSONWebKeySet, cacheSize?: number) {
  const clock = new ManualClock();
  let fetches = 0;
  const state = { set, fail: false };
  const verifier = createTokenVerifier({
    clock,
    ...(cacheSize === undefined ? {} : { cacheSize }),
    keys: async () => {
      fetches += 1;
      if (state.fail) throw new Error("no way there");
      return state.set;
    },
  });
  const seconds = (offset: number): number => clock.now() / 1_000 + offset;
  return { clock, verifier, state, seconds, fetches: () => fetches };
}

async function reasonOf(result: unknown): Promise<string> {
  try {
    await result;
  } catch (error) {
    if (error instanceof WeftError) return error.reason;
    throw error;
  }
  return "none";
}

describe("a token verifier", () => {
  test("knows nobody without authorization", () => {
    const { verifier } = fixture({ keys: [] });
    expect(verifier.verify(undefined)).toBeUndefined();
  });

  test("gives subject and roles of a genuine token, the second time at once", async () => {
    const { jwk, sign } = await issuer();
    const { verifier, seconds, fetches } = fixture({ keys: [jwk] });
    const authorization = `Bearer ${await sign({ sub: "u1", roles: ["admin"], exp: seconds(60) })}`;
    expect(await verifier.verify(authorization)).toEqual({ subject: "u1", roles: ["admin"] });
    expect(verifier.verify(authorization)).toEqual({ subject: "u1", roles: ["admin"] });
    expect(fetches()).toBe(1);
  });

  test("refuses an expired token, also one that was verified before", async () => {
    const { jwk, sign } = await issuer();
    const { verifier, seconds, clock } = fixture({ keys: [jwk] });
    const authorization = `Bearer ${await sign({ sub: "u1", exp: seconds(60) })}`;
    await verifier.verify(authorization);
    await clock.advance(64_000);
    expect(await verifier.verify(authorization)).toMatchObject({ subject: "u1" });
    await clock.advance(1_000);
    expect(await reasonOf(verifier.verify(authorization))).toBe("TOKEN_EXPIRED");
    expect(await reasonOf(verifier.verify(authorization))).toBe("TOKEN_EXPIRED");
  });

  test("refuses a token that is not valid yet by more than the leeway", async () => {
    const { jwk, sign } = await issuer();
    const { verifier, seconds } = fixture({ keys: [jwk] });
    const early = await sign({ sub: "u1", nbf: seconds(10), exp: seconds(60) });
    const nearly = await sign({ sub: "u1", nbf: seconds(4), exp: seconds(60) });
    expect(await reasonOf(verifier.verify(`Bearer ${early}`))).toBe("UNAUTHENTICATED");
    expect(await reasonOf(verifier.verify(`Bearer ${nearly}`))).toBe("none");
  });

  test("refuses every kind of forgery", async () => {
    const genuine = await issuer();
    const forger = await issuer();
    const { verifier, seconds } = fixture({ keys: [genuine.jwk] });
    const claims = { sub: "admin", roles: ["admin"], exp: seconds(60) };
    const good = await genuine.sign(claims);
    const [header = "", payload = "", signature = ""] = good.split(".");
    const other = Buffer.from(JSON.stringify({ ...claims, iss: "weft", sub: "someone" })).toString("base64url");
    const hmac = (secret: string): Promise<string> =>
      new SignJWT({ iss: "weft", ...claims })
        .setProtectedHeader({ alg: "HS256", kid: "k1" })
        .sign(Buffer.from(secret.padEnd(32, "x")));
    const es256 = await generateKeyPair("ES256");
    const tokens = {
      "another key": await forger.sign(claims),
      "changed payload": `${header}.${other}.${signature}`,
      "no signature": `${header}.${payload}.`,
      "alg none": new UnsecuredJWT({ iss: "weft", ...claims }).encode(),
      "hmac with the public key": await hmac(genuine.jwk.x ?? ""),
      "another algorithm": await new SignJWT({ iss: "weft", ...claims })
        .setProtectedHeader({ alg: "ES256", kid: "k1" })
        .sign(es256.privateKey),
      "another issuer": await genuine.sign({ ...claims, iss: "else" }),
      "no subject": await genuine.sign({ exp: seconds(60) }),
      "no expiry": await genuine.sign({ sub: "u1" }),
      garbage: "a.b.c",
    };
    for (const [what, token] of Object.entries(tokens)) {
      expect([what, await reasonOf(verifier.verify(`Bearer ${token}`))]).toEqual([what, "UNAUTHENTICATED"]);
    }
    for (const authorization of [good, `Basic ${good}`, `Bearer ${good} x`, "Bearer", `Bearer ${"a".repeat(9_000)}`]) {
      expect(await reasonOf(verifier.verify(authorization))).toBe("UNAUTHENTICATED");
    }
  });

  test("fetches the keys again for a key that it does not know, at most once in five seconds", async () => {
    const first = await issuer("k1");
    const second = await issuer("k2");
    const invented = await issuer("k3");
    const { verifier, state, seconds, clock, fetches } = fixture({ keys: [first.jwk] });
    await verifier.verify(`Bearer ${await first.sign({ sub: "u1", exp: seconds(600) })}`);
    state.set = { keys: [first.jwk, second.jwk] };
    await clock.advance(6_000);
    const rotated = [1, 2, 3].map((n) => second.sign({ sub: `u${n}`, exp: seconds(600) }));
    const subjects = await Promise.all(rotated.map(async (token) => verifier.verify(`Bearer ${await token}`)));
    expect(subjects.map((principal) => principal?.subject)).toEqual(["u1", "u2", "u3"]);
    expect(fetches()).toBe(2);
    for (let n = 0; n < 5; n += 1) {
      const token = await invented.sign({ sub: `x${n}`, exp: seconds(600) });
      expect(await reasonOf(verifier.verify(`Bearer ${token}`))).toBe("UNAUTHENTICATED");
    }
    expect(fetches()).toBe(2);
  });

  test("goes on with the keys it has while the issuer is away, and is unavailable without any", async () => {
    const { jwk, sign } = await issuer();
    const { verifier, state, seconds, clock } = fixture({ keys: [jwk] });
    state.fail = true;
    expect(await reasonOf(verifier.verify(`Bearer ${await sign({ sub: "u1", exp: seconds(600) })}`))).toBe(
      "UNAVAILABLE",
    );
    state.fail = false;
    expect(await verifier.verify(`Bearer ${await sign({ sub: "u1", exp: seconds(600) })}`)).toBeDefined();
    state.fail = true;
    await clock.advance(10_000);
    const unknown = await issuer("k9");
    expect(await reasonOf(verifier.verify(`Bearer ${await unknown.sign({ sub: "u1", exp: seconds(600) })}`))).toBe(
      "UNAUTHENTICATED",
    );
    expect(await verifier.verify(`Bearer ${await sign({ sub: "u2", exp: seconds(600) })}`)).toMatchObject({
      subject: "u2",
    });
  });

  test("remembers a bounded number of tokens, those used last", async () => {
    const { jwk, sign } = await issuer();
    const { verifier, seconds } = fixture({ keys: [jwk] }, 2);
    const [a = "", b = "", c = ""] = await Promise.all(
      ["a", "b", "c"].map(async (sub) => `Bearer ${await sign({ sub, exp: seconds(60) })}`),
    );
    await verifier.verify(a);
    await verifier.verify(b);
    await verifier.verify(a);
    await verifier.verify(c);
    expect(verifier.verify(a)).not.toBeInstanceOf(Promise);
    expect(verifier.verify(c)).not.toBeInstanceOf(Promise);
    const again = verifier.verify(b);
    expect(again).toBeInstanceOf(Promise);
    await again;
  });
});
