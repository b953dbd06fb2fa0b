import { WeftError } from "@weft/kit";
import type { CloudEvent, KeyedEvent } from "@weft/pubsub";

/** An event as the file holds it. */
export interface EventRow {
  readonly key: string;
  /** JSON of every attribute. */
  readonly attributes: string;
  readonly data: Uint8Array;
}

export function toRow({ key, event }: KeyedEvent): EventRow {
  const { data, ...attributes } = event;
  return { key, attributes: JSON.stringify(attributes), data };
}

export function fromRow(row: EventRow): KeyedEvent {
  return { key: row.key, event: { ...parse(row.attributes), data: row.data } };
}

function parse(text: string): Omit<CloudEvent, "data"> {
  try {
    // Written by `toRow` alone.
    return JSON.parse(text) as Omit<CloudEvent, "data">;
  } catch (cause) {
    throw new WeftError("DATA_LOSS", "the attributes of a stored event can't be read", { cause });
  }
}
