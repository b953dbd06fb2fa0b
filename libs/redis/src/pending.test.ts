import { ManualClock } from "@weft/kit";
import { expect, type Mock, test, vi } from "vitest";
import { Pending } from "./pending.ts";

function open() {
  const clock = new ManualClock();
  const onSilence = vi.fn();
  const pending = new Pending({ timeoutMs: 1000, clock, late: () => new Error("late"), onSilence });
  const control = new AbortController();
  const watching = pending.watch(control.signal);
  const call = (): { reject: Mock<(error: Error) => void>; end(): void } => {
    const reject = vi.fn<(error: Error) => void>();
    const waiting = pending.add({ reject });
    return { reject, end: () => pending.end(waiting) };
  };
  return { clock, onSilence, pending, control, watching, call };
}

test("a call ends at its deadline, a tenth later at most; one that was answered does not", async () => {
  const { clock, pending, call } = open();
  const answered = call();
  await clock.advance(50);
  const late = call();
  answered.end();
  await clock.advance(999);
  expect(late.reject).not.toHaveBeenCalled();
  await clock.advance(101);
  expect(late.reject).toHaveBeenCalledTimes(1);
  expect(answered.reject).not.toHaveBeenCalled();
  expect(pending.size).toBe(0);
});

test("silence is that nothing was answered while calls were late", async () => {
  const { clock, onSilence, call } = open();
  call();
  await clock.advance(600);
  call().end();
  await clock.advance(600);
  expect(onSilence).not.toHaveBeenCalled();
  call();
  await clock.advance(1100);
  expect(onSilence).toHaveBeenCalledTimes(1);
  // With no call under way there is nothing to hear.
  await clock.advance(5000);
  expect(onSilence).toHaveBeenCalledTimes(1);
});

test("calls end in any order, and each once", async () => {
  const { clock, pending, call } = open();
  const [first, second, third, fourth] = [call(), call(), call(), call()];
  second.end();
  second.end();
  expect(pending.size).toBe(3);
  // Looks take the place of the second away, and leave those around it.
  await clock.advance(500);
  const fifth = call();
  fourth.end();
  first.end();
  expect(pending.size).toBe(2);
  await clock.advance(600);
  expect(third.reject).toHaveBeenCalledTimes(1);
  expect(fifth.reject).not.toHaveBeenCalled();
  third.end();
  expect(pending.size).toBe(1);
  await clock.advance(500);
  expect(fifth.reject).toHaveBeenCalledTimes(1);
  const sixth = call();
  expect(pending.size).toBe(1);
  sixth.end();
  expect(pending.size).toBe(0);
  for (const ended of [first, second, fourth, sixth]) expect(ended.reject).not.toHaveBeenCalled();
});

test("it ends with its signal", async () => {
  const { clock, control, watching, call } = open();
  const waiting = call();
  control.abort();
  await watching;
  await clock.advance(5000);
  expect(waiting.reject).not.toHaveBeenCalled();
});
