import { type FieldViolation, WeftError } from "@weft/kit";

/** A way to tell somebody something, besides the inbox. */
export type OuterChannel = "email" | "webhook";
export type Channel = "in-app" | OuterChannel;

/** From `start` to `end` (`HH:MM`, local time), over midnight if `end` is earlier. Equal ones mean never. */
export interface QuietHours {
  readonly start: string;
  readonly end: string;
  /** IANA name. */
  readonly timeZone: string;
}

export interface Preferences {
  readonly channels: readonly OuterChannel[];
  readonly quietHours?: QuietHours;
  readonly locale: string;
  readonly webhookUrl: string;
}

/** What holds for somebody who never said anything. */
export const defaultPreferences: Preferences = { channels: ["email"], locale: "", webhookUrl: "" };

/** `INVALID_ARGUMENT` with every problem, as paths of the request. */
export function checkPreferences(preferences: Preferences): void {
  const violations: FieldViolation[] = [];
  const bad = (field: string, description: string): void => {
    violations.push({ field: `preferences.${field}`, description });
  };
  const { quietHours, locale, webhookUrl, channels } = preferences;
  if (quietHours !== undefined && !isTimeZone(quietHours.timeZone)) {
    bad("quiet_hours.time_zone", "is not the name of a time zone, for example Europe/Vienna");
  }
  if (locale !== "" && !isLocale(locale)) bad("locale", "is not a language tag, for example de-AT");
  if (webhookUrl !== "" && !/^https?:$/.test(URL.parse(webhookUrl)?.protocol ?? "")) {
    bad("webhook_url", "is not an http or https URL");
  }
  if (channels.includes("webhook") && webhookUrl === "") bad("webhook_url", "is needed for the channel webhook");
  if (violations.length > 0) throw new WeftError("INVALID_ARGUMENT", "the preferences are not valid", { violations });
}

/** When the quiet hours that hold at `now` end, in milliseconds since the epoch; undefined outside of them. */
export function quietUntil(preferences: Preferences, now: number): number | undefined {
  const { quietHours } = preferences;
  if (quietHours === undefined) return undefined;
  const start = minutesOf(quietHours.start);
  const length = (minutesOf(quietHours.end) - start + minutesOfDay) % minutesOfDay;
  const since = (localMinutes(now, quietHours.timeZone) - start + minutesOfDay) % minutesOfDay;
  if (since >= length) return undefined;
  // The clocks may change meanwhile: whoever waits until then asks again.
  return Math.floor(now / 60_000) * 60_000 + (length - since) * 60_000;
}

const minutesOfDay = 24 * 60;

function minutesOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(":").map(Number);
  return hours * 60 + minutes;
}

function localMinutes(now: number, timeZone: string): number {
  const format = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return minutesOf(format.format(now));
}

function isTimeZone(name: string): boolean {
  return doesNotThrow(() => new Intl.DateTimeFormat("en", { timeZone: name }));
}

function isLocale(tag: string): boolean {
  return doesNotThrow(() => Intl.getCanonicalLocales(tag));
}

function doesNotThrow(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}
