import { expect, test } from "vitest";
import { orAborted, throwIfAborted, WeftError } from "./index.ts";

const late = new WeftError("DEADLINE_EXCEEDED", "the deadline passed");

test("throwIfAborted throws the reason as a WeftError, and only then", () => {
  throwIfAborted(undefined);
  throwIfAborted(new AbortController().signal);
  expect(() => throwIfAborted(AbortSignal.abort(late))).toThrow(late);
  expect(() => throwIfAborted(AbortSignal.abort())).toThrow(expect.objectContaining({ reason: "CANCELLED" }));
});

test("orAborted gives what comes first, the result or the signal's reason", async () => {
  const never = new Promise<never>(() => undefined);
  const controller = new AbortController();
  expect(await orAborted(Promise.resolve(7), undefined)).toBe(7);
  expect(await orAborted(Promise.resolve(7), controller.signal)).toBe(7);
  await expect(orAborted(Promise.reject(new Error("no")), controller.signal)).rejects.toThrow("no");
  const left = orAborted(never, controller.signal);
  controller.abort(late);
  await expect(left).rejects.toBe(late);
  await expect(orAborted(Promise.resolve(7), controller.signal)).rejects.toBe(late);
});

test("work that fails after it was left is nobody's unhandled rejection", async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): unknown => unhandled.push(reason);
  process.on("unhandledRejection", note);
  try {
    const work = Promise.withResolvers<never>();
    await expect(orAborted(work.promise, AbortSignal.abort())).rejects.toMatchObject({ reason: "CANCELLED" });
    work.reject(new Error("no"));
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  } finally {
    process.off("unhandledRejection", note);
  }
});
