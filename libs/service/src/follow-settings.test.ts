import type { ConfigurationItem, ConfigurationUpdate } from "@weft/configuration";
import { ManualClock, WeftError } from "@weft/kit";
import type { Logger } from "@weft/telemetry";
import { expect, test } from "vitest";
import { FollowedSettings } from "./follow-settings.ts";

const item = (value: string): ReadonlyMap<string, ConfigurationItem> => new Map([["a", { value, version: value }]]);
const fresh = (value: string): ConfigurationUpdate => ({ items: item(value), stale: false });

/** What one opening of the block, or one watch of it, comes to. */
type Turn = "can't be opened" | "hangs" | readonly (ConfigurationUpdate | WeftError)[];

/** Follows a block that does this, a turn after the other. */
function follow(turns: readonly Turn[]) {
  const clock = new ManualClock();
  const taken: (string | undefined)[] = [];
  const lines: string[] = [];
  const line = (_: object, message: string): void => void lines.push(message);
  const log: Logger = {
    ...{ level: "info", debug: line, info: line, warn: line, error: line, fatal: line },
    child: () => log,
  };
  const left = [...turns];
  async function* watch(updates: Exclude<Turn, string>): AsyncGenerator<ConfigurationUpdate> {
    for (const update of updates) {
      if (update instanceof WeftError) throw update;
      yield update;
    }
  }
  const settings = new FollowedSettings({
    live: { take: (items) => void taken.push(items.get("a")?.value) },
    log,
    clock,
    open: async () => {
      const turn = left.shift() ?? "hangs";
      if (turn === "can't be opened") throw new WeftError("UNAVAILABLE", "no store");
      if (turn === "hangs") return new Promise<never>(() => undefined);
      return { watch: () => watch(turn) };
    },
  });
  return { settings, clock, taken, lines };
}

test("a block that can't be opened, or whose watch ends or fails, is opened again; an outage is two lines", async () => {
  const failed = new WeftError("UNAVAILABLE", "lost");
  const { settings, clock, taken, lines } = follow([
    ...(["can't be opened", "can't be opened"] as const),
    [fresh("1"), failed],
    "can't be opened",
    [fresh("2")],
    [fresh("3")],
  ]);
  await clock.advance(120_000);
  expect(taken).toEqual(["1", "2", "3"]);
  const [away, back] = [expect.stringContaining("can't be read"), "the configuration block is read again"];
  expect(lines).toEqual([away, back, away, back, away]);
  await settings[Symbol.asyncDispose]();
});

test("what is known of a store that is away is no news", async () => {
  const { settings, clock, taken } = follow([[{ items: new Map(), stale: true }, fresh("1")]]);
  await clock.advance(0);
  expect(taken).toEqual(["1"]);
  await settings[Symbol.asyncDispose]();
});

test("a start waits for it, but not for long; a stop waits for nothing", async () => {
  const { settings, clock } = follow(["hangs"]);
  let isReady = false;
  const ready = settings.ready().then(() => (isReady = true));
  await clock.advance(1999);
  expect(isReady).toBe(false);
  await clock.advance(1);
  await ready;
  await settings[Symbol.asyncDispose]();
  const read = follow([[fresh("1")]]);
  await read.settings.ready();
  expect(read.clock.monotonic()).toBe(0);
  await read.settings[Symbol.asyncDispose]();
});
