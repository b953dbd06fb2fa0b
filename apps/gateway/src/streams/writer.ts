import type { ServerResponse } from "node:http";
import { goneAway } from "../http/body.ts";

/** A reader that takes nothing for so long is given up, in milliseconds. */
const stalledMs = 30_000;

/** Writes and waits until there is room for more. `CANCELLED` when the reader went away, or takes nothing any more. */
export async function write(response: ServerResponse, data: string | Buffer): Promise<void> {
  if (response.destroyed) throw goneAway();
  if (response.write(data)) return;
  await new Promise<void>((resolve, reject) => {
    const clear = (): void => {
      clearTimeout(timer);
      response.off("drain", onDrain).off("close", onClose);
    };
    const onDrain = (): void => {
      clear();
      resolve();
    };
    const onClose = (): void => {
      clear();
      reject(goneAway());
    };
    const timer = setTimeout(() => {
      clear();
      response.destroy();
      reject(goneAway());
    }, stalledMs);
    response.on("drain", onDrain).on("close", onClose);
  });
}
