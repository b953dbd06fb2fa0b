import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Stopwatch } from "@weft/kit/testing";
import { type Mesh, until } from "./mesh.ts";
import { type Answer, type Problem, rest } from "./rest.ts";

/** A call that is made again and again. */
export interface Call {
  readonly name: string;
  readonly make: (turn: number) => Promise<Answer<unknown>>;
}

/** How one went. */
export interface Result {
  readonly name: string;
  /** When it began, by `performance.now()`, and how long it took, by a `Stopwatch`, in milliseconds. */
  readonly at: number;
  readonly tookMs: number;
  /** 0: no answer. */
  readonly status: number;
  /** Of the problem; empty for a success. */
  readonly reason: string;
  readonly body: unknown;
}

/** A steady load on a mesh. Each kind of call has the same rate, and none waits for another. */
export class Load {
  readonly results: Result[] = [];
  readonly #calls: readonly Call[];
  readonly #everyMs: number;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #pacing: Promise<void> | undefined;

  /** @param perSecond calls of all kinds together */
  constructor(calls: readonly Call[], perSecond = 20) {
    this.#calls = calls;
    this.#everyMs = 1000 / perSecond;
  }

  /** How many kinds of calls there are. */
  get kinds(): number {
    return this.#calls.length;
  }

  start(): void {
    this.#pacing = this.#pace();
  }

  /** Resolves when the calls that are under way have ended. */
  async end(): Promise<void> {
    this.#stop.abort();
    await this.#pacing;
    await Promise.all(this.#running);
  }

  /** What began in a part of the time. */
  between(from: number, to: number, name?: string): readonly Result[] {
    return this.results.filter((one) => one.at >= from && one.at < to && (name === undefined || one.name === name));
  }

  async #pace(): Promise<void> {
    const startedAt = performance.now();
    for (let turn = 0; !this.#stop.signal.aborted; turn += 1) {
      const call = this.#calls[turn % this.#calls.length];
      if (call === undefined) return;
      const running = this.#make(call, turn).finally(() => this.#running.delete(running));
      this.#running.add(running);
      await sleep(Math.max(0, startedAt + (turn + 1) * this.#everyMs - performance.now()));
    }
  }

  async #make({ name, make }: Call, turn: number): Promise<void> {
    const at = performance.now();
    using passed = new Stopwatch();
    const answer = await make(turn).catch(() => undefined);
    const status = answer?.status ?? 0;
    const reason = status >= 400 ? ((answer?.body as Partial<Problem>).reason ?? "") : "";
    this.results.push({ name, at, tookMs: passed.ms, status, reason, body: answer?.body });
  }
}

/** The calls that every outage is looked at with. `userId` is somebody who was there before. */
export function usualCalls(mesh: Mesh, userId: string): readonly Call[] {
  const stamp = Date.now().toString(36);
  return [
    {
      name: "create user",
      make: (turn) => {
        const body = { email: `load-${stamp}-${turn}@example.org`, name: `Load ${turn}` };
        return rest(mesh, "/users", { body });
      },
    },
    { name: "get user", make: () => rest(mesh, `/users/${userId}`) },
    { name: "search", make: () => rest(mesh, "/search/users?q=lovelace") },
    { name: "notifications", make: () => rest(mesh, `/notifications?userId=${userId}`) },
  ];
}

/** Whether it was answered, and by whom it was meant for. */
export function isGood({ status, body }: Result): boolean {
  return status >= 200 && status < 300 && !isDegraded(body);
}

/** Whether a body says that it is not what it could be. */
export function isDegraded(body: unknown): boolean {
  return (body as { readonly degraded?: boolean } | undefined)?.degraded === true;
}

/** For messages: how many of each status and reason, and the longest time, by call. */
export function summary(results: readonly Result[]): Record<string, Record<string, string>> {
  const byName = Map.groupBy(results, ({ name }) => name);
  return Object.fromEntries(
    [...byName].map(([name, ofName]) => {
      const byOutcome = Map.groupBy(ofName, ({ status, reason }) => `${status} ${reason}`.trim());
      const rows = [...byOutcome].map(([outcome, all]): [string, string] => {
        const times = all.map(({ tookMs }) => tookMs).toSorted((a, b) => a - b);
        const at = (part: number): string => (times[Math.floor((times.length - 1) * part)] ?? 0).toFixed(0);
        return [outcome, `${all.length} × (p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms)`];
      });
      return [name, Object.fromEntries(rows)];
    }),
  );
}

/** A line of a process' log. */
export interface LogLine {
  readonly service: string;
  readonly level: string;
  readonly msg: string;
  /** The kind of decision that it tells of; empty for what else there is to say. */
  readonly decision: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

/** The lines from `warn` on that every process of the mesh wrote since `since` (milliseconds since the epoch). */
export async function warningsSince(mesh: Mesh, since: number): Promise<readonly LogLine[]> {
  const folder = join(mesh.dataDir, "logs");
  const texts = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), "utf8")));
  return texts
    .flatMap((text) => text.split("\n"))
    .filter((line) => line.startsWith("{"))
    .map((line): LogLine => {
      const { service, level, msg, decision = "", time } = JSON.parse(line) as Record<string, unknown>;
      return {
        service: String(service),
        level: String(level),
        msg: String(msg),
        decision: String(decision),
        time: new Date(String(time)).getTime(),
      };
    })
    .filter(({ level, time }) => time >= since && ["warn", "error", "fatal", "40", "50", "60"].includes(level));
}

/** Makes the user that {@link usualCalls} looks at, and waits until every service knows them. The id. */
export async function firstUser(mesh: Mesh): Promise<string> {
  const body = { email: "ada@example.org", name: "Ada Lovelace" };
  const { id } = (await rest<{ id: string }>(mesh, "/users", { body })).body;
  const isKnown = async (): Promise<boolean> => {
    const { body: page } = await rest<{ totalHits: number }>(mesh, "/search/users?q=lovelace");
    const { body: inbox } = await rest<{ notifications: unknown[] }>(mesh, `/notifications?userId=${id}`);
    return page.totalHits === 1 && inbox.notifications.length === 1;
  };
  await until(isKnown, { what: "the first user in the index and welcomed", timeoutMs: 30_000 });
  return id;
}

/** Waits until every user that the load was told of is in the index and was welcomed once. */
export async function allIndexed(mesh: Mesh, load: Load, timeoutMs = 60_000): Promise<void> {
  const made = load.results.filter(({ name, status }) => name === "create user" && status === 201);
  const ids = made.map(({ body }) => (body as { id: string }).id);
  let missing = ids;
  const isThere = async (): Promise<boolean> => {
    const { status, body } = await rest<string>(mesh, "/search/users:export?q=");
    if (status !== 200) return false;
    const indexed = new Set(
      body
        .split("\n")
        .filter(Boolean)
        .map((line) => (JSON.parse(line) as { id: string }).id),
    );
    missing = ids.filter((id) => !indexed.has(id));
    return missing.length === 0;
  };
  await until(isThere, { what: () => `${missing.length} of ${ids.length} users to be indexed`, timeoutMs });
  for (const id of ids) {
    let welcomes = 0;
    const isWelcome = async (): Promise<boolean> => {
      const { body } = await rest<{ notifications?: unknown[] }>(mesh, `/notifications?userId=${id}`);
      welcomes = body.notifications?.length ?? 0;
      return welcomes > 0;
    };
    await until(isWelcome, { what: `the welcome of ${id}`, timeoutMs });
    if (welcomes > 1) throw new Error(`${id} was welcomed ${welcomes} times`);
  }
}

/** Waits until every kind of call has succeeded for a while. When that began, by `performance.now()`. */
export async function recovered(load: Load, timeoutMs: number): Promise<number> {
  // Longer than any call may take: what began in it has ended.
  const windowMs = 6000;
  const startedAt = performance.now();
  let from = startedAt;
  const isWell = (): boolean => {
    const now = performance.now();
    const failed = load.between(startedAt, now).filter((result) => !isGood(result));
    from = Math.max(startedAt, ...failed.map(({ at }) => at + 1));
    const kinds = new Set(load.between(from, now).map(({ name }) => name));
    return now - from >= windowMs && kinds.size === load.kinds;
  };
  const what = (): string => `calls to work: ${JSON.stringify(summary(load.between(startedAt, Infinity)))}`;
  await until(isWell, { what, timeoutMs });
  return from;
}
