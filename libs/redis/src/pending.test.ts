import { ManualClock } from "@weft/kit";
import { expect, type Mock, test, vi } from "vitest";
import { Pending } from "./pending.ts";

function open() {
  const clock = new ManualClock();
  const onSilence = vi.fn();
  const pending = new Pending({ timeoutMs: 1000, clock, late: () => new Error("late"), onSilence });
  const control = new AbortController();
  const watching = pending.watch(control.signal);
  const call = (): { reject: Mock<(error: Error) => void> } => {
    const made = { reject: vi.fn<(error: Error) => void>() };
    pending.add(made);
    return made;
  };
  return { clock, onSilence, pending, control, watching, call };
}

test("a call ends at its deadline, a tenth later at most; one that was answered does not", async () => {
  const { clock, pending, call } = open();
  const answered = call();
  await clock.advance(50);
  const late = call();
  pending.end(answered);
  await clock.advance(999);
  expect(late.reject).not.toHaveBeenCalled();
  await clock.advance(101);
  expect(late.reject).toHaveBeenCalledTimes(1);
  expect(answered.reject).not.toHaveBeenCalled();
  expect(pending.size).toBe(0);
});

test("silence is that nothing was answered while calls were late", async () => {
  const { clock, onSilence, pending, call } = open();
  call();
  await clock.advance(600);
  pending.end(call());
  await clock.advance(600);
  expect(onSilence).not.toHaveBeenCalled();
  call();
  await clock.advance(1100);
  expect(onSilence).toHaveBeenCalledTimes(1);
  // With no call under way there is nothing to hear.
  await clock.advance(5000);
  expect(onSilence).toHaveBeenCalledTimes(1);
});

test("it ends with its signal", async () => {
  const { clock, control, watching, call } = open();
  const waiting = call();
  control.abort();
  await watching;
  await clock.advance(5000);
  expect(waiting.reject).not.toHaveBeenCalled();
});
