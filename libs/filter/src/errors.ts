import { WeftError } from "@weft/kit";

/** @param position of the first bad character, from 1 */
export function filterError(message: string, position: number): WeftError {
  return new WeftError("INVALID_FILTER", `${message} (at character ${position})`, {
    metadata: { position: String(position) },
  });
}
