import { expect } from "vitest";
import type { StateEntry } from "../state.ts";

export function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

export function textOf(entry: StateEntry | undefined): string | undefined {
  return entry && Buffer.from(entry.value).toString();
}

/** Asserts that `work` rejects with a WeftError of this reason. */
export async function failsWith(reason: string, work: Promise<unknown> | undefined): Promise<void> {
  await expect(work).rejects.toMatchObject({ name: "WeftError", reason });
}
