import { silentLog, WeftError } from "@weft/kit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Fixture, openFixture } from "../testing.ts";
import { deliverDue } from "./deliver.ts";
import { takeIn } from "./events.ts";
import type { Parts } from "./parts.ts";
import { updatePreferences } from "./preferences.ts";

let fixture: Fixture;
let parts: Parts;
beforeEach(async () => {
  fixture = await openFixture();
  parts = await fixture.replica();
});
afterEach(() => fixture[Symbol.asyncDispose]());

const options = { maxAttempts: 3, log: silentLog, random: () => 0.5 };
const hour = 3_600_000;
const account = { userId: "u1", version: 1, name: "Ada", email: "ada@example.org", locale: "en" };
const welcome = (to: Parts = parts): Promise<void> => takeIn(to, { kind: "created", account });

async function emailOf(id = "welcome-u1") {
  const notification = await parts.inbox.find(id);
  return notification?.deliveries.find((delivery) => delivery.channel === "email");
}

test("a mail is sent once, by one replica, and noted", async () => {
  const second = await fixture.replica();
  await welcome();
  expect(await emailOf()).toMatchObject({ state: "pending" });
  await Promise.all([deliverDue(parts, options), deliverDue(second, options)]);
  await deliverDue(second, options);
  expect(fixture.mail.sent).toMatchObject([{ address: "ada@example.org", notification: { id: "welcome-u1" } }]);
  expect(await emailOf()).toMatchObject({ state: "delivered", reason: "" });
  await fixture.clock.advance(24 * hour);
  expect(await deliverDue(parts, options)).toBe(0);
});

test("a passing failure is tried again, later and later, and given up in the end", async () => {
  fixture.mail.failures = Array.from({ length: 9 }, () => new WeftError("UNAVAILABLE", "away"));
  await welcome();
  await deliverDue(parts, options);
  expect(await emailOf()).toMatchObject({ state: "pending", reason: "away" });
  expect(await deliverDue(parts, options)).toBe(0);
  await fixture.clock.advance(hour);
  await deliverDue(parts, options);
  await fixture.clock.advance(hour);
  await deliverDue(parts, options);
  expect(await emailOf()).toMatchObject({ state: "failed", reason: "away" });
  expect(fixture.mail.failures).toHaveLength(6);
  await fixture.clock.advance(24 * hour);
  expect(await deliverDue(parts, options)).toBe(0);
});

test("what is refused for good is not tried again", async () => {
  fixture.mail.failures = [new WeftError("FAILED_PRECONDITION", "refused")];
  await welcome();
  await deliverDue(parts, options);
  expect(await emailOf()).toMatchObject({ state: "failed", reason: "refused" });
});

test("a job of a replica that died comes due again", async () => {
  await welcome();
  const hung = await fixture.replica({ email: { send: () => new Promise(() => {}) } });
  void deliverDue(hung, options);
  await fixture.clock.advance(1000);
  expect(await deliverDue(parts, options)).toBe(0);
  await fixture.clock.advance(60_000);
  await deliverDue(parts, options);
  expect(fixture.mail.sent).toHaveLength(1);
});

test("quiet hours hold a mail until they end, also ones that began after it was queued", async () => {
  const quietHours = { start: "12:00", end: "14:00", timeZone: "UTC" };
  await updatePreferences(parts, "u1", (before) => ({ ...before, quietHours }));
  await welcome();
  expect(await deliverDue(parts, options)).toBe(0);
  await updatePreferences(parts, "u1", (before) => ({ ...before, quietHours: { ...quietHours, end: "15:00" } }));
  await fixture.clock.advance(2 * hour);
  await deliverDue(parts, options);
  expect(fixture.mail.sent).toEqual([]);
  expect(await emailOf()).toMatchObject({ state: "pending", reason: "held until the quiet hours end" });
  await fixture.clock.advance(hour);
  await deliverDue(parts, options);
  expect(fixture.mail.sent).toHaveLength(1);
});

test("nothing is sent that is not wanted, not configured, or whose person is gone", async () => {
  await updatePreferences(parts, "u1", (before) => ({ ...before, channels: [] }));
  await welcome();
  expect(await emailOf()).toMatchObject({ state: "suppressed", reason: "not wanted" });
  const bare = await fixture.replica({});
  await takeIn(bare, { kind: "created", account: { ...account, userId: "u2" } });
  expect(await emailOf("welcome-u2")).toMatchObject({ state: "suppressed", reason: "no mail server is configured" });
  await takeIn(parts, { kind: "created", account: { ...account, userId: "u3" } });
  await takeIn(parts, { kind: "deleted", userId: "u3", version: 2 });
  await takeIn(parts, { kind: "created", account: { ...account, userId: "u4" } });
  await updatePreferences(parts, "u4", (before) => ({ ...before, channels: [] }));
  await deliverDue(parts, options);
  expect(await emailOf("welcome-u4")).toMatchObject({ state: "suppressed" });
  expect(fixture.mail.sent).toEqual([]);
  expect(await deliverDue(parts, options)).toBe(0);
});
