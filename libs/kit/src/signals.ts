import { type Clock, systemClock } from "./clock.ts";

/**
 * A terminal sends Ctrl-C to everything that runs in it, and npm, shells and supervisors pass on what they got: within
 * this time after a signal the next one is an echo of it. In milliseconds.
 */
const echoMs = 250;

/**
 * Calls `onWish` for each wish that the process ends: `count` is 1 for the first, 2 for the next one. Signals that come
 * within 250 ms of the one before them are one wish. While this listens, the signals do not end the process by
 * themselves; disposing gives up listening.
 */
export function watchSignals(
  signals: readonly NodeJS.Signals[],
  onWish: (signal: NodeJS.Signals, count: number) => void,
  clock: Clock = systemClock,
): Disposable {
  let count = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  const onSignal = (signal: NodeJS.Signals): void => {
    const nowMs = clock.monotonic();
    const isEcho = nowMs - lastMs <= echoMs;
    lastMs = nowMs;
    if (!isEcho) onWish(signal, (count += 1));
  };
  for (const signal of signals) process.on(signal, onSignal);
  return {
    [Symbol.dispose]: () => {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
