import { expect, test } from "vitest";
import { ManualClock, watchSignals } from "./index.ts";

test("signals that come close together are one wish, later ones the next", async () => {
  const clock = new ManualClock();
  const before = process.listenerCount("SIGHUP");
  const wishes: string[] = [];
  {
    using _signals = watchSignals(["SIGHUP", "SIGUSR2"], (signal, count) => wishes.push(`${signal} ${count}`), clock);
    process.emit("SIGHUP", "SIGHUP");
    process.emit("SIGHUP", "SIGHUP");
    await clock.advance(200);
    // Of a chain of echoes each one counts from the one before.
    process.emit("SIGUSR2", "SIGUSR2");
    await clock.advance(200);
    process.emit("SIGHUP", "SIGHUP");
    expect(wishes).toEqual(["SIGHUP 1"]);
    await clock.advance(251);
    process.emit("SIGUSR2", "SIGUSR2");
    await clock.advance(251);
    process.emit("SIGHUP", "SIGHUP");
  }
  expect(wishes).toEqual(["SIGHUP 1", "SIGUSR2 2", "SIGHUP 3"]);
  expect(process.listenerCount("SIGHUP")).toBe(before);
});
