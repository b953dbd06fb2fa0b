import { isPriority, type Priority } from "@weft/resilience";

/**
 * Metadata that says how much a call matters: `critical`, `interactive` or `batch`. A server believes whoever may call
 * it at all; the gateway takes nobody's word and sends none from outside.
 */
export const priorityKey = "weft-priority";

/** The priority that metadata names; undefined for none, or one that is not known. */
export function priorityOf(text: unknown): Priority | undefined {
  return typeof text === "string" && isPriority(text) ? text : undefined;
}
