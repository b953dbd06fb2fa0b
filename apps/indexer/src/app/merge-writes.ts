import type { ChangeResult, DocumentChange, SearchEngine } from "@weft/search";

type Apply = SearchEngine["apply"];

/** Of one call of the engine. */
const mostChanges = 500;

interface Waiting {
  readonly changes: readonly DocumentChange[];
  readonly done: PromiseWithResolvers<readonly ChangeResult[]>;
}

/**
 * Changes of an index that come while others are under way go together in the next call, as a database commits in
 * groups: an engine that takes its time for each call is asked seldom, one that is quick is not waited for. Bounded by
 * its callers, each of whom waits for their own result. A call that fails fails all that went with it.
 */
export function mergeWrites(engine: Pick<SearchEngine, "apply">): Pick<SearchEngine, "apply"> {
  const queues = new Map<string, Queue>();
  return {
    apply: (index, changes) => {
      let queue = queues.get(index);
      if (queue === undefined) {
        queue = new Queue((merged) => engine.apply(index, merged));
        queues.set(index, queue);
      }
      return queue.add(changes);
    },
  };
}

class Queue {
  readonly #apply: (changes: readonly DocumentChange[]) => ReturnType<Apply>;
  readonly #waiting: Waiting[] = [];
  #isRunning = false;

  constructor(apply: (changes: readonly DocumentChange[]) => ReturnType<Apply>) {
    this.#apply = apply;
  }

  add(changes: readonly DocumentChange[]): Promise<readonly ChangeResult[]> {
    const done = Promise.withResolvers<readonly ChangeResult[]>();
    this.#waiting.push({ changes, done });
    if (!this.#isRunning) void this.#run();
    return done.promise;
  }

  /** Never rejects: its callers hear of failures. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let batch = this.#next(); batch.length > 0; batch = this.#next()) {
      try {
        const results = await this.#apply(batch.flatMap(({ changes }) => changes));
        let at = 0;
        for (const { changes, done } of batch) done.resolve(results.slice(at, (at += changes.length)));
      } catch (error) {
        for (const { done } of batch) done.reject(error);
      }
    }
    this.#isRunning = false;
  }

  /** At least one of those that wait, and no more than go into one call. */
  #next(): readonly Waiting[] {
    let count = 0;
    const end = this.#waiting.findIndex(({ changes }) => (count += changes.length) > mostChanges);
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : Math.max(1, end));
  }
}
