/**
 * How much a call matters when there is no room for all: a person waits for `interactive`, the usual; nobody waits for
 * `batch`; without `critical` calls nothing else works (the criticality of 'Handling Overload', Site Reliability
 * Engineering, chapter 21). Health checks stand above all of them and are never refused.
 */
export type Priority = "critical" | "interactive" | "batch";

/** Every priority, the highest first. */
export const priorities: readonly Priority[] = ["critical", "interactive", "batch"];

/** Whether `text` is one. */
export function isPriority(text: string | undefined): text is Priority {
  return text === "interactive" || text === "batch" || text === "critical";
}
