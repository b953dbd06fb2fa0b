import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { WeftError } from "@weft/kit";
import type { Client } from "../index.ts";
import type { EchoService } from "./echo.ts";

/** Calls all the time; what came of each call. */
export function traffic(client: Client<typeof EchoService>, { lanes = 4, timeoutMs = 5_000 } = {}) {
  const state = { by: new Map<string, number>(), failures: [] as WeftError[], stop: false };
  const running = Array.from({ length: lanes }, async () => {
    while (!state.stop) {
      try {
        const { text } = await client.say({}, { timeoutMs });
        state.by.set(text, (state.by.get(text) ?? 0) + 1);
      } catch (error) {
        state.failures.push(WeftError.from(error));
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  });
  return {
    by: state.by,
    failures: state.failures,
    async end() {
      state.stop = true;
      await Promise.all(running);
    },
  };
}

/** A replica in a process of its own. */
export async function startProcess(): Promise<{ process: ChildProcess; address: string }> {
  const child = fork(join(import.meta.dirname, "echo-process.ts"), {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const address = await new Promise<string>((resolve, reject) => {
    child.once("message", (message) => resolve(String(message)));
    child.once("exit", () => reject(new Error("the process ended at once")));
  });
  return { process: child, address };
}
