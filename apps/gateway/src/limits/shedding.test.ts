import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import { UserService } from "@weft/contracts/user";
import { type Decision, readOverload } from "@weft/resilience";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestEdge, type TestEdge, token } from "../testing/edge.ts";
import { Shedding } from "./shedding.ts";

const decisions: Decision[] = [];
const shedding = new Shedding({ service: "gateway", onDecision: (decision) => void decisions.push(decision) });
let gateway: TestEdge;
/** Of each call, in milliseconds of the processor. */
let costMs = 0;
beforeAll(async () => {
  gateway = await openTestEdge({}, { shedding });
  gateway.fake.on(UserService.method.getUser, ({ id }) => {
    work(costMs);
    return { user: { id, etag: "v1" } };
  });
});
afterAll(() => gateway[Symbol.asyncDispose]());

/** Keeps the processor busy, for milliseconds of its own time. */
function work(ms: number): void {
  const before = process.threadCpuUsage();
  for (;;) {
    const { user, system } = process.threadCpuUsage(before);
    if (user + system >= ms * 1_000) return;
  }
}

interface Answer {
  readonly status: number | undefined;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

const agent = new Agent({ keepAlive: true });
afterAll(() => agent.destroy());

/** Not by fetch: it goes round the event loop several times for a call, so that few calls come at a time. */
async function get(): Promise<Answer> {
  const asking = request(`${gateway.url}/api/v1/users/u1`, { agent, headers: token }).end();
  const [response]: IncomingMessage[] = await once(asking, "response");
  if (response === undefined) throw new Error("there is no response");
  const body = await text(response);
  return { status: response.statusCode, retryAfter: response.headers["retry-after"], body };
}

/** What callers are answered who call again as soon as they are. */
async function flood(callers: number, callsEach: number): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  await Promise.all(
    Array.from({ length: callers }, async () => {
      for (let call = 0; call < callsEach; call += 1) answers.push(await get());
    }),
  );
  return answers;
}

const callers = 120;

describe("a gateway with more calls than time", () => {
  test("refuses some, says when to come back, and takes all when it has time again", async () => {
    // Connections are made one in a turn, so a crowd has to be connected before it can come at once.
    await flood(callers, 1);
    // And what calls cost has to be known.
    costMs = 3;
    expect((await flood(1, 50)).map(({ status }) => status)).toEqual(Array(50).fill(200));
    const answers = await flood(callers, 8);
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.filter(({ status }) => status === 200).length + refused.length).toBe(callers * 8);
    expect(refused.length).toBeGreaterThan(callers * 2);
    // Those of the crowd that connected may be among them.
    expect(gateway.edge.shed?.interactive).toBeGreaterThanOrEqual(refused.length);
    expect(JSON.parse(refused[0]?.body ?? "")).toMatchObject({ reason: "RESOURCE_EXHAUSTED" });
    expect([...new Set(refused.map(({ retryAfter }) => retryAfter))].toSorted()).toEqual(["1", "2", "3"]);
    expect(decisions.at(-1)).toEqual({
      kind: "shed",
      target: "gateway",
      method: "weft.user.v1.UserService/GetUser",
      reason: "event loop",
    });
    expect((await flood(1, 10)).map(({ status }) => status)).toEqual(Array(10).fill(200));
  });

  test("takes on as much as before when other settings of overload are made", () => {
    const read = readOverload({ concurrency: { maxLimit: 500 } });
    expect("value" in read && read.value.turns).toEqual({});
  });

  test("refuses nobody when it may take on as much as comes", async () => {
    shedding.configure({ maxTurnMs: 600_000 });
    const answers = await flood(callers, 2);
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  });
});
