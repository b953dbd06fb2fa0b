import { backoffMs, FailureLog, type Log, WeftError } from "@weft/kit";
import { type Delivery, type Notification, withDelivery } from "../domain/notification.ts";
import { type PresentPerson, preferencesOf } from "../domain/person.ts";
import { quietUntil } from "../domain/preferences.ts";
import type { JobEntry } from "../store/jobs.ts";
import { addressOf } from "./notify.ts";
import type { Parts } from "./parts.ts";

/** How often the queue is looked at, in milliseconds. */
const pollMs = 1000;
/** Jobs of one look. */
const batch = 20;
/** How long a replica has a job to itself, in milliseconds: longer than any sender takes. */
const leaseMs = 60_000;

export interface DeliverOptions {
  /** Tries before a delivery is given up. */
  readonly maxAttempts: number;
  readonly log: Log;
  /** A number in [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

/** Makes deliveries as they come due, until the signal aborts; those in hand are finished. */
export async function keepDelivering(parts: Parts, options: DeliverOptions, signal: AbortSignal): Promise<void> {
  const [began, ended] = ["the queue of deliveries can't be read", "the queue of deliveries can be read again"];
  const outage = new FailureLog(options.log, { began, ended });
  while (!signal.aborted) {
    let count = 0;
    try {
      count = await deliverDue(parts, options);
      outage.worked();
    } catch (error) {
      outage.failed(error);
    }
    if (count < batch) await parts.clock.sleep(pollMs, signal).catch(() => undefined);
  }
}

/** Tries what is due now, once. Answers how many jobs that were. */
export async function deliverDue(parts: Parts, options: DeliverOptions): Promise<number> {
  const entries = await parts.jobs.due(parts.clock.now(), batch);
  await Promise.all(
    entries.map((entry) =>
      // What fails here comes due again by itself.
      deliver(parts, options, entry).catch((error: unknown) =>
        options.log.warn({ err: error, notification: entry.job.notificationId }, "a delivery is put off"),
      ),
    ),
  );
  return entries.length;
}

async function deliver(parts: Parts, options: DeliverOptions, entry: JobEntry): Promise<void> {
  const { inbox, people, jobs, clock } = parts;
  const { job } = entry;
  const [notification, person] = await Promise.all([inbox.find(job.notificationId), people.get(job.userId)]);
  const pending = notification?.deliveries.some(({ channel, state }) => channel === job.channel && state === "pending");
  // Gone, or done by a replica that died before it could take the job out.
  if (notification === undefined || person.state === "deleted" || !pending) return jobs.remove(entry);
  const quiet = quietUntil(preferencesOf(person), clock.now());
  if (quiet !== undefined) {
    await note(parts, entry, { state: "pending", reason: "held until the quiet hours end" });
    await jobs.move(entry, job, quiet);
    return;
  }
  const taken = await jobs.move(entry, { ...job, attempts: job.attempts + 1 }, clock.now() + leaseMs);
  if (taken !== undefined) await tryOnce(parts, options, taken, { notification, person });
}

async function tryOnce(
  parts: Parts,
  { maxAttempts, log, random }: DeliverOptions,
  entry: JobEntry,
  { notification, person }: { readonly notification: Notification; readonly person: PresentPerson },
): Promise<void> {
  const { senders, jobs, clock } = parts;
  const { channel, attempts, notificationId } = entry.job;
  const sender = senders[channel];
  const address = addressOf(person, channel);
  if (sender === undefined || address === "" || !preferencesOf(person).channels.includes(channel)) {
    await note(parts, entry, { state: "suppressed", reason: "not wanted, or not configured any more" });
    return jobs.remove(entry);
  }
  try {
    await sender.send(notification, address);
  } catch (cause) {
    const error = WeftError.from(cause);
    log.warn({ notification: notificationId, channel, attempts, reason: error.reason }, "a delivery failed");
    const final = !error.retryable || attempts >= maxAttempts;
    await note(parts, entry, { state: final ? "failed" : "pending", reason: error.message });
    if (final) return jobs.remove(entry);
    const options = { initialMs: 10_000, maxMs: 3_600_000, factor: 4, ...(random && { random }) };
    await jobs.move(entry, entry.job, clock.now() + 1000 + Math.ceil(backoffMs(attempts, options)));
    return;
  }
  await note(parts, entry, { state: "delivered", reason: "" });
  await jobs.remove(entry);
}

async function note(parts: Parts, { job }: JobEntry, what: Pick<Delivery, "state" | "reason">): Promise<void> {
  const delivery = { ...what, channel: job.channel, time: parts.clock.now() };
  await parts.inbox.update(job.notificationId, (notification) => withDelivery(notification, delivery));
}
