import fc from "fast-check";
import { expect, test } from "vitest";
import { checkPreferences, defaultPreferences, quietUntil } from "./preferences.ts";

const quiet = (start: string, end: string, timeZone = "UTC") => ({
  ...defaultPreferences,
  quietHours: { start, end, timeZone },
});
const at = (text: string): number => Date.parse(`2026-01-15T${text}Z`);

test.each([
  ["21:59:59", undefined],
  ["22:00:00", "2026-01-16T07:00:00Z"],
  ["23:30:30", "2026-01-16T07:00:00Z"],
  ["03:00:00", "2026-01-15T07:00:00Z"],
  ["06:59:59", "2026-01-15T07:00:00Z"],
  ["07:00:00", undefined],
])("quiet hours over midnight at %s last until %s", (time, until) => {
  expect(quietUntil(quiet("22:00", "07:00"), at(time))).toBe(until === undefined ? undefined : Date.parse(until));
});

test("quiet hours are local", () => {
  // Vienna is an hour ahead of UTC in January, Kathmandu 5:45.
  expect(quietUntil(quiet("12:00", "13:00", "Europe/Vienna"), at("11:30:00"))).toBe(at("12:00:00"));
  expect(quietUntil(quiet("12:00", "13:00", "Asia/Kathmandu"), at("06:30:00"))).toBe(at("07:15:00"));
  expect(quietUntil(quiet("08:00", "08:00"), at("08:00:00"))).toBeUndefined();
  expect(quietUntil(defaultPreferences, at("03:00:00"))).toBeUndefined();
});

test("quiet hours end in the future, and not more than a day ahead", () => {
  const time = fc.tuple(fc.nat(23), fc.nat(59)).map((parts) => parts.map((n) => String(n).padStart(2, "0")).join(":"));
  const zone = fc.constantFrom("UTC", "Europe/Vienna", "America/St_Johns", "Australia/Lord_Howe");
  fc.assert(
    fc.property(time, time, zone, fc.integer({ min: 0, max: 4e12 }), (start, end, timeZone, now) => {
      const until = quietUntil(quiet(start, end, timeZone), now);
      if (until === undefined) return;
      expect(until).toBeGreaterThan(now);
      expect(until - now).toBeLessThanOrEqual(24 * 60 * 60_000);
    }),
  );
});

test("every problem of preferences is told, each with its field", () => {
  const bad = {
    ...quiet("22:00", "07:00", "Europe/Nowhere"),
    locale: "not a locale",
    channels: ["webhook" as const],
    webhookUrl: "ftp://example.org",
  };
  const fields = ["quiet_hours.time_zone", "locale", "webhook_url"].map((field) => ({ field: `preferences.${field}` }));
  expect(() => checkPreferences(bad)).toThrow(
    expect.objectContaining({
      reason: "INVALID_ARGUMENT",
      violations: fields.map((field) => expect.objectContaining(field)),
    }),
  );
  checkPreferences({ ...quiet("22:00", "07:00", "Europe/Vienna"), locale: "de-AT" });
});
