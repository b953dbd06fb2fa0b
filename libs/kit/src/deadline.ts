import { type Clock, systemClock } from "./clock.ts";
import { WeftError } from "./errors.ts";

/**
 * The result of `work`, or `DEADLINE_EXCEEDED` after `timeoutMs`. The signal given to `work` is aborted then, and also
 * when `signal` is.
 */
export async function withTimeout<T>(
  work: (signal: AbortSignal) => Promise<T>,
  options: { readonly timeoutMs: number; readonly what: string; readonly signal?: AbortSignal; readonly clock?: Clock },
): Promise<T> {
  const { timeoutMs, what, clock = systemClock } = options;
  const controller = new AbortController();
  const finished = new AbortController();
  const follow = (): void => controller.abort(options.signal?.reason);
  if (options.signal?.aborted) follow();
  options.signal?.addEventListener("abort", follow, { once: true });
  const aborted = new Promise<never>((_, reject) => {
    const give = (): void => reject(WeftError.from(controller.signal.reason));
    if (controller.signal.aborted) give();
    controller.signal.addEventListener("abort", give, { once: true });
  });
  // Heard below, unless `work` throws before it gives a promise.
  aborted.catch(() => undefined);
  clock.sleep(timeoutMs, finished.signal).then(
    () => controller.abort(new WeftError("DEADLINE_EXCEEDED", `${what} took longer than ${timeoutMs} ms`)),
    () => undefined,
  );
  try {
    return await Promise.race([work(controller.signal), aborted]);
  } finally {
    finished.abort();
    options.signal?.removeEventListener("abort", follow);
  }
}
