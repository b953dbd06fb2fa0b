import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, type Mesh, type Problem, rest, type RestOptions } from "@weft/system-tests";
import type { History } from "./history.ts";
import type { Random } from "./random.ts";

export interface WritersOptions {
  readonly mesh: Pick<Mesh, "url" | "token">;
  readonly history: History;
  readonly random: Random;
  /** Changes that are begun in a second, while the mesh keeps up. */
  readonly perSecond: number;
  /** Tells the run from others on the same servers. */
  readonly name: string;
  /** Then nothing is sent again. */
  readonly signal: AbortSignal;
}

/** As the answer of the user service has it. */
interface User {
  readonly id: string;
  readonly etag: string;
}

/** Calls under way; then the next one waits. */
const mostUnderWay = 32;
/** Of those, creations: they are sent again until they are answered, and must not keep everything else from going on. */
const mostCreations = 16;
const callTimeoutMs = 10_000;
/** How long a creation is sent again. It outlasts every fault. */
const createTimeoutMs = 90_000;
const againMs = 300;

/** Creates, changes and deletes users over REST all the time, and writes down what was acknowledged. */
export class Writers {
  readonly #options: WritersOptions;
  readonly #running = new Set<Promise<void>>();
  readonly #answers = new Map<string, number>();
  readonly #refusals: string[] = [];
  #creations = 0;
  #pause = new AbortController();
  #pacing: Promise<void> = Promise.resolve();

  constructor(options: WritersOptions) {
    this.#options = options;
  }

  /** How often each kind of answer came: `update 503 UNAVAILABLE`. */
  get answers(): ReadonlyMap<string, number> {
    return this.#answers;
  }

  /** Answers that no fault excuses, in words. */
  get refusals(): readonly string[] {
    return this.#refusals;
  }

  start(): void {
    this.#pause = new AbortController();
    this.#pacing = this.#pace(this.#pause.signal);
  }

  /** Begins nothing new; resolves when everything that is under way has ended, whatever its answer. */
  async pause(): Promise<void> {
    this.#pause.abort();
    await this.#pacing;
    await Promise.all(this.#running);
  }

  async #pace(signal: AbortSignal): Promise<void> {
    const everyMs = 1000 / this.#options.perSecond;
    while (!signal.aborted) {
      if (this.#running.size < mostUnderWay) {
        const running = this.#change().finally(() => this.#running.delete(running));
        this.#running.add(running);
      }
      await sleep(everyMs);
    }
  }

  async #change(): Promise<void> {
    const { random, history } = this.#options;
    const kind = random.weighted([
      [35, "create"],
      [50, "update"],
      [15, "delete"],
    ] as const);
    const user = history.somebody(random);
    if (user === undefined || (kind === "create" && this.#creations < mostCreations)) return this.#create();
    return kind === "delete" ? this.#delete(user) : this.#update(user);
  }

  async #create(): Promise<void> {
    const { name, history, signal } = this.#options;
    const mark = history.newMark();
    const body = { email: `${name}-${mark}@example.org`, name: `Chaos ${mark}`, bio: mark };
    const until = performance.now() + createTimeoutMs;
    this.#creations += 1;
    try {
      while (performance.now() < until && !signal.aborted) {
        const answer = await this.#call<User>("create", "/users", {
          body,
          headers: { "idempotency-key": `${name}-${mark}` },
        });
        if (answer?.status === 201) return history.created(answer.body.id, answer.body.etag, mark);
        if (isRefusal(answer)) return this.#refused("create", mark, answer);
        await sleep(againMs);
      }
    } finally {
      this.#creations -= 1;
    }
  }

  /** Once: of one that is not answered nobody knows what became of it. */
  async #update({ id, etag }: User): Promise<void> {
    const { history, random } = this.#options;
    const mark = history.newMark();
    const headers: Record<string, string> = random.chance(0.5) ? { "if-match": `"${etag}"` } : {};
    const options = { method: "PATCH", body: { bio: mark }, headers };
    const answer = await this.#call<User>("update", `/users/${id}?updateMask=bio`, options);
    if (answer?.status === 200) return history.updated(id, answer.body.etag, mark);
    // Somebody else was faster.
    if (answer?.status === 412 || (answer?.status === 404 && history.mayBeGone(id))) return;
    if (isRefusal(answer)) this.#refused("update", id, answer);
  }

  async #delete({ id }: User): Promise<void> {
    const { history } = this.#options;
    history.deleting(id);
    const answer = await this.#call("delete", `/users/${id}`, { method: "DELETE" });
    // Not found: the gateway may send a deletion again.
    if (answer?.status === 204 || answer?.status === 404) return history.deleted(id);
    if (isRefusal(answer)) this.#refused("delete", id, answer);
  }

  /** Undefined when no answer came. */
  async #call<Body>(kind: string, path: string, options: RestOptions): Promise<Answer<Body> | undefined> {
    const answer = await rest<Body>(this.#options.mesh, path, { ...options, timeoutMs: callTimeoutMs }).catch(
      () => undefined,
    );
    const outcome = answer === undefined ? "no answer" : `${answer.status} ${reasonOf(answer)}`.trim();
    const key = `${kind} ${outcome}`;
    this.#answers.set(key, (this.#answers.get(key) ?? 0) + 1);
    return answer;
  }

  #refused(kind: string, whom: string, answer: Answer<unknown>): void {
    const { detail = "" } = answer.body as Partial<Problem>;
    this.#refusals.push(`${kind} ${whom}: ${answer.status} ${reasonOf(answer)} ${detail}`);
  }
}

/** What the caller is to blame for, says the mesh; and here the caller is not. 429 is a mesh that has too much to do. */
function isRefusal(answer: Answer<unknown> | undefined): answer is Answer<unknown> {
  return (
    answer !== undefined &&
    ((answer.status >= 400 && answer.status < 500 && answer.status !== 429) || answer.status === 500)
  );
}

function reasonOf({ status, body }: Answer<unknown>): string {
  return status >= 400 ? ((body as Partial<Problem>).reason ?? "") : "";
}
