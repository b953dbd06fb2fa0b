import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { Latest } from "./index.ts";

const never = new AbortController().signal;

test("a slow reader gets the newest value, and skips those in between", async () => {
  const latest = new Latest<number>();
  const values = latest.values(never);
  latest.set(1);
  latest.set(2);
  expect((await values.next()).value).toBe(2);
  const waiting = values.next();
  latest.set(3);
  expect((await waiting).value).toBe(3);
});

test("a value equal to the one that was read last is not given, also after others in between", async () => {
  const latest = new Latest<number>((a, b) => a === b);
  const values = latest.values(never);
  latest.set(1);
  await values.next();
  latest.set(2);
  latest.set(1);
  const waiting = values.next();
  await turn();
  latest.set(3);
  expect((await waiting).value).toBe(3);
});

test("the iteration ends with `end` and with the signal, whether its reader waits or not", async () => {
  for (const readerWaits of [true, false]) {
    for (const how of ["end", "abort"] as const) {
      const latest = new Latest<number>();
      const controller = new AbortController();
      const values = latest.values(controller.signal);
      const waiting = readerWaits ? values.next() : undefined;
      await turn();
      if (how === "end") latest.end();
      else controller.abort();
      expect(await (waiting ?? values.next())).toEqual({ done: true, value: undefined });
      latest.set(1);
      expect((await values.next()).done).toBe(true);
    }
  }
});

test("a signal that aborts before the reader begins ends it at once", async () => {
  const latest = new Latest<number>();
  latest.set(1);
  expect((await latest.values(AbortSignal.abort()).next()).done).toBe(true);
});
