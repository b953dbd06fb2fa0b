import { describe, expect, test } from "vitest";
import { hashPassword, verifyPassword } from "./password.ts";

describe("passwords", () => {
  test("a hash is salted, names its costs, and fits its password alone", async () => {
    const [one, two] = await Promise.all([hashPassword("correct horse"), hashPassword("correct horse")]);
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(one).not.toBe(two);
    expect(await verifyPassword("correct horse", one)).toBe(true);
    expect(await verifyPassword("correct horsE", one)).toBe(false);
  });

  test("hashes of other implementations and costs are understood", async () => {
    // The reference implementation's own test vector: `argon2 somesalt -id -t 2 -m 8 -p 1` for "password".
    const phc = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    expect(await verifyPassword("password", phc)).toBe(true);
    expect(await verifyPassword("Password", phc)).toBe(false);
  });

  test("an unknown user costs the same work and is refused", async () => {
    expect(await verifyPassword("anything", undefined)).toBe(false);
  });

  test("a damaged hash is data loss", async () => {
    await expect(verifyPassword("x", "$argon2id$v=19$m=19456")).rejects.toMatchObject({ reason: "DATA_LOSS" });
  });

  test("a flood is bounded: two run, a hundred wait, the rest is refused", async () => {
    const phc = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    const results = await Promise.allSettled(Array.from({ length: 110 }, () => verifyPassword("password", phc)));
    const refused = results.filter(({ status }) => status === "rejected");
    expect(refused).toHaveLength(8);
    expect(refused[0]).toMatchObject({ reason: { reason: "RESOURCE_EXHAUSTED" } });
    expect(await verifyPassword("password", phc)).toBe(true);
  });
});
