import { WeftError } from "@weft/kit";
import type { Principal, TokenVerifier } from "@weft/security";
import { describe, expect, test } from "vitest";
import { createClient } from "./index.ts";
import { EchoService } from "./testing/echo.ts";
import { collect, errorFrom, openEcho } from "./testing/harness.ts";

const people: Readonly<Record<string, Principal>> = {
  "Bearer ann": { subject: "ann", roles: [] },
  "Bearer root": { subject: "root", roles: ["admin"] },
};

const tokens: TokenVerifier = {
  verify: (authorization) => {
    if (authorization === undefined) return undefined;
    const principal = people[authorization];
    if (principal === undefined) return Promise.reject(new WeftError("UNAUTHENTICATED", "the token is not valid"));
    return principal.subject === "root" ? Promise.resolve(principal) : principal;
  },
};

describe("a server holds its methods to their contract", () => {
  test("access", async () => {
    let ran = 0;
    const run = () => ({ number: (ran += 1) });
    await using echo = await openEcho({ say: run, known: run, admin: run, own: run, closed: run }, { tokens });
    const client = createClient(EchoService, echo.transport);
    const outcome = async (call: Promise<unknown>): Promise<string> =>
      call.then(
        () => "in",
        (error: unknown) => (error instanceof WeftError ? error.reason : "?"),
      );
    const matrix: Record<string, string[]> = {};
    for (const authorization of ["", "Bearer ann", "Bearer root", "Bearer forged"]) {
      const options = authorization === "" ? {} : { authorization };
      matrix[authorization] = [
        await outcome(client.say({}, options)),
        await outcome(client.known({}, options)),
        await outcome(client.admin({}, options)),
        await outcome(client.own({ owner: "ann" }, options)),
        await outcome(client.own({ owner: "bob" }, options)),
        await outcome(client.own({}, options)),
        await outcome(client.closed({}, options)),
      ];
    }
    const [u, d] = ["UNAUTHENTICATED", "PERMISSION_DENIED"];
    expect(matrix).toEqual({
      "": ["in", u, u, u, u, u, d],
      "Bearer ann": ["in", "in", d, "in", d, "in", d],
      "Bearer root": ["in", "in", "in", "in", "in", "in", d],
      "Bearer forged": ["in", u, u, u, u, u, u],
    });
    expect(ran).toBe(
      Object.values(matrix)
        .flat()
        .filter((each) => each === "in").length,
    );
  });

  test("access to each message of a stream", async () => {
    let sum = 0;
    await using echo = await openEcho(
      {
        ownAll: async (requests) => {
          for await (const { number } of requests) sum += number;
          return {};
        },
      },
      { tokens },
    );
    const client = createClient(EchoService, echo.transport);
    async function* mixed() {
      yield { owner: "ann", number: 1 };
      yield { owner: "bob", number: 10 };
    }
    const denied = await errorFrom(client.ownAll(mixed(), { authorization: "Bearer ann" }));
    expect(denied).toMatchObject({ reason: "PERMISSION_DENIED" });
    expect(sum).toBe(1);
  });

  test("access to a stream that holds no message", async () => {
    let ran = 0;
    const run = async () => ({ number: (ran += 1) });
    await using echo = await openEcho({ adminAll: run, ownAll: run }, { tokens });
    const client = createClient(EchoService, echo.transport);
    async function* nothing() {}
    const ann = { authorization: "Bearer ann" };
    expect(await errorFrom(client.adminAll(nothing(), ann))).toMatchObject({ reason: "PERMISSION_DENIED" });
    expect(await errorFrom(client.adminAll(nothing()))).toMatchObject({ reason: "UNAUTHENTICATED" });
    expect(await errorFrom(client.ownAll(nothing()))).toMatchObject({ reason: "UNAUTHENTICATED" });
    expect(ran).toBe(0);
    await client.adminAll(nothing(), { authorization: "Bearer root" });
    await client.ownAll(nothing(), ann);
    expect(ran).toBe(2);
  });

  test("who calls is told to the handler, with the token to pass on", async () => {
    await using echo = await openEcho(
      { known: (_, { principal, authorization }) => ({ text: `${principal?.subject}|${authorization}` }) },
      { tokens },
    );
    const client = createClient(EchoService, echo.transport);
    expect((await client.known({}, { authorization: "Bearer ann" })).text).toBe("ann|Bearer ann");
  });

  test("the rules of each request message, with all broken ones by JSON path", async () => {
    let ran = false;
    await using echo = await openEcho({
      say: () => {
        ran = true;
        return {};
      },
      sum: async (requests) => ({ number: (await collect(requests)).length }),
      async *count() {},
    });
    const client = createClient(EchoService, echo.transport);
    const error = await errorFrom(client.say({ text: "much too long", number: -1 }));
    expect(error).toMatchObject({ reason: "INVALID_ARGUMENT" });
    if (error instanceof WeftError) expect(error.violations.map(({ field }) => field)).toEqual(["text", "number"]);
    expect(ran).toBe(false);
    async function* second() {
      yield { text: "good" };
      yield { number: -1 };
    }
    const inStream = await errorFrom(client.sum(second()));
    expect(inStream).toMatchObject({ reason: "INVALID_ARGUMENT", violations: [{ field: "number" }] });
    expect(await errorFrom(collect(client.count({ number: -1 })))).toMatchObject({ reason: "INVALID_ARGUMENT" });
    const nested = await errorFrom(client.say({ shortTags: ["a", "", "b", ""] }));
    expect(nested).toMatchObject({ violations: [{ field: "shortTags[1]" }, { field: "shortTags[3]" }] });
  });
});
