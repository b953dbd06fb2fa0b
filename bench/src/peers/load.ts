/** What a caller is asked for: calls for that long, and that many of them. */
export interface LoadOrder {
  readonly ms: number;
  readonly atLeast: number;
  readonly concurrency: number;
}

/** What it did. */
export interface LoadDone {
  readonly done: number;
  /** CPU time of the whole process meanwhile, user and system, in milliseconds. */
  readonly cpuMs: number;
}

/** Makes this process one that calls when its parent says so, and tells what it took. */
export function callOnDemand(call: () => Promise<unknown>): void {
  process.on("message", (order: LoadOrder) => void load(call, order).then((done) => process.send?.(done)));
}

async function load(call: () => Promise<unknown>, { ms, atLeast, concurrency }: LoadOrder): Promise<LoadDone> {
  const end = performance.now() + ms;
  const before = process.cpuUsage();
  let done = 0;
  const one = async (): Promise<void> => {
    while (done < atLeast || performance.now() < end) {
      await call();
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, one));
  const { user, system } = process.cpuUsage(before);
  return { done, cpuMs: (user + system) / 1000 };
}
