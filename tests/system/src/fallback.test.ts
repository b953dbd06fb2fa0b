import { expect, test } from "vitest";
import { type Mesh, startMesh, until } from "./mesh.ts";
import { firstUser } from "./outage.ts";
import { type Answer, type Problem, rest } from "./rest.ts";

interface Page {
  readonly hits: readonly { readonly id: string }[];
  readonly totalHits: number;
  readonly degraded: boolean;
  readonly suggestions?: readonly unknown[];
}

const ask = (mesh: Mesh, path: string): Promise<Answer<Page>> => rest<Page>(mesh, `/search/${path}`);
const marks = ({ status, headers, body }: Answer<Page>) => [status, headers.get("weft-degraded"), body.degraded];

const limit = { timeout: 180_000 };

test(
  "the only search process is killed: what was asked before is answered as degraded, until it is back",
  limit,
  async () => {
    await using mesh = await startMesh();
    const id = await firstUser(mesh);
    const before = await ask(mesh, "users?q=lovelace");
    expect(marks(before)).toEqual([200, null, false]);
    expect((await ask(mesh, "users:suggest?prefix=ada")).status).toBe(200);

    const victim = (await mesh.status()).find(({ service }) => service === "search");
    if (victim === undefined) throw new Error("no search runs");
    // It stands still, so that nobody puts another one in its place while the test looks.
    process.kill(victim.pid, "SIGSTOP");
    try {
      const during = await ask(mesh, "users?q=lovelace");
      expect(marks(during)).toEqual([200, "cached", true]);
      expect(during.body).toEqual({ ...before.body, degraded: true });
      expect(during.body.hits.map((hit) => hit.id)).toEqual([id]);
      expect(Number(during.headers.get("age"))).toBeGreaterThanOrEqual(0);
      expect(during.headers.get("cache-control")).toBe("no-store");

      const other = await rest<Problem>(mesh, "/search/users?q=byron");
      expect(other.status).toBeOneOf([503, 504]);
      const suggested = await ask(mesh, "users:suggest?prefix=nobody-asked-for-this");
      expect([suggested.status, suggested.headers.get("weft-degraded")]).toEqual([200, "empty"]);
      expect(suggested.body.suggestions).toEqual([]);
      const stranger = await rest<Problem>(mesh, "/search/users?q=lovelace", { token: `${mesh.token}x` });
      expect(stranger.status).toBeGreaterThanOrEqual(400);
    } finally {
      process.kill(victim.pid, "SIGKILL");
    }

    // Killed, it is started again, and answers itself; on the way nobody hears of it but by the mark.
    const isBack = async (): Promise<boolean> => {
      const answer = await ask(mesh, "users?q=lovelace");
      expect(answer.status).toBe(200);
      return answer.headers.get("weft-degraded") === null;
    };
    await until(isBack, { what: "an answer that is not degraded", timeoutMs: 30_000 });
    const after = await ask(mesh, "users?q=lovelace");
    expect(marks(after)).toEqual([200, null, false]);
    expect(after.body).toEqual(before.body);
  },
);
