import { createHash } from "node:crypto";

/** Digits of a number in a key, so that keys sort as their numbers: enough for milliseconds since the epoch. */
const digits = 15;

/** The keys of the store. User ids are escaped: a slash in one must not reach into another's inbox. */
export const keys = {
  /** Its etag changes with everything that is added to any inbox. */
  changed: "changed",
  person: (userId: string) => `person/${encodeURIComponent(userId)}`,
  inbox: (userId: string) => `inbox/${encodeURIComponent(userId)}/`,
  notification: (userId: string, sequence: number) => `inbox/${encodeURIComponent(userId)}/${padded(sequence)}`,
  /** Leads from a notification's id to its place. */
  place: (id: string) => `place/${hashed(id)}`,
  request: (caller: string, requestId: string) => `request/${hashed(JSON.stringify([caller, requestId]))}`,
  jobs: "job/",
  job: (due: number, id: string, channel: string) => `job/${padded(due)}/${hashed(id)}/${channel}`,
};

/** When the job of a key is due, in milliseconds since the epoch. */
export function dueOf(jobKey: string): number {
  return Number(jobKey.split("/")[1]);
}

function padded(value: number): string {
  return String(value).padStart(digits, "0");
}

/** Ids come from outside; their hash is short and has no characters with a meaning. */
function hashed(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
