import { ManualClock } from "@weft/kit";
import { expect, test, vi } from "vitest";
import { Link } from "./link.ts";

const unavailable = expect.objectContaining({ reason: "UNAVAILABLE" }) as Error;

test("before the first connection calls fail at once", async () => {
  const link = new Link({ clock: new ManualClock(), graceMs: 1000 });
  await expect(link.usable()).rejects.toThrow(unavailable);
  link.up();
  expect(link.isUp).toBe(true);
  await link.usable();
});

test("after a loss calls wait for a new connection", async () => {
  const clock = new ManualClock();
  const link = new Link({ clock, graceMs: 1000 });
  link.up();
  link.lost(new Error("reset"));
  const sent = vi.fn();
  const waiting = link.usable().then(sent);
  // A try that failed does not begin the grace anew.
  await clock.advance(900);
  link.lost(new Error("refused"));
  expect(sent).not.toHaveBeenCalled();
  link.up();
  await waiting;
  // Nor does the grace of a loss that is over end the next one's.
  link.lost(new Error("reset"));
  await clock.advance(500);
  const again = link.usable();
  link.up();
  await again;
});

test("when the grace is over, those who wait and those who come fail, with the cause, until there is a connection", async () => {
  const clock = new ManualClock();
  const link = new Link({ clock, graceMs: 1000 });
  link.up();
  link.lost(new Error("reset"));
  const waiting = expect(link.usable()).rejects.toThrow(unavailable);
  await clock.advance(1000);
  await waiting;
  link.lost(new Error("refused"));
  await expect(link.usable()).rejects.toMatchObject({ reason: "UNAVAILABLE", cause: { message: "refused" } });
  link.up();
  await link.usable();
});

test("a closed one stays closed, lets nobody wait and leaves no timer", async () => {
  const clock = new ManualClock();
  const sleep = vi.spyOn(clock, "sleep");
  const link = new Link({ clock, graceMs: 1000 });
  link.up();
  link.lost(undefined);
  const waiting = expect(link.usable()).rejects.toThrow(unavailable);
  link.close();
  await waiting;
  await expect(sleep.mock.results[0]?.value).rejects.toThrow("aborted");
  link.up();
  expect(link.isUp).toBe(false);
  await expect(link.usable()).rejects.toThrow("closed");
});
