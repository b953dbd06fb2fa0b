import { watchSignals } from "@weft/kit";
import type { Logger } from "@weft/telemetry";
import type { Stop } from "./stop.ts";

/**
 * What happens to the process as a whole, turned into the wish to stop: signals, a supervisor that is gone, errors that
 * nobody caught. A second signal that is no echo of the first ends the process at once with exit code 1. Disposing
 * gives up listening.
 */
export function watchProcess(stop: Stop, log: Logger): Disposable {
  const signals = watchSignals(["SIGINT", "SIGTERM"], (signal, count) => {
    if (count > 1) {
      log.warn({ signal }, "second signal: ending at once");
      process.exit(1);
    }
    stop.ask({ why: signal, exitCode: 0 });
  });
  const onDisconnect = (): void => stop.ask({ why: "the supervisor is gone", exitCode: 0 });
  const onError = (err: unknown, origin: string): void => {
    log.fatal({ err, origin }, "an error that nobody caught");
    stop.ask({ why: origin, exitCode: 1 });
  };
  const onRejection = (err: unknown): void => onError(err, "unhandledRejection");

  process.on("disconnect", onDisconnect);
  process.on("uncaughtException", onError).on("unhandledRejection", onRejection);
  // A supervisor that died before we listened leaves no event behind.
  if (process.channel !== undefined && !process.connected) onDisconnect();
  return {
    [Symbol.dispose]: () => {
      signals[Symbol.dispose]();
      process.off("disconnect", onDisconnect);
      process.off("uncaughtException", onError).off("unhandledRejection", onRejection);
    },
  };
}

/** What a process tells the one that started it, when it serves. */
export interface ReadyMessage {
  readonly type: "ready";
  readonly instance: string;
  /** `host:port` of the gRPC server. */
  readonly grpc: string;
  /** `host:port` of the admin server. */
  readonly admin: string;
  /** `host:port` of each listener beside gRPC. */
  readonly listeners: readonly string[];
}

/** Tells the supervisor, if there is one. */
export function tellSupervisor(message: ReadyMessage): void {
  // One that is gone is heard of by `disconnect`.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

/**
 * Ends the tie to the supervisor, which would keep this process alive, and sees to it that the process ends: a handle
 * that somebody left open is logged and not waited for.
 */
export function leaveProcess(exitCode: number, log: Logger): void {
  process.exitCode = exitCode;
  if (process.connected) process.disconnect();
  setTimeout(() => {
    log.warn({ open: process.getActiveResourcesInfo() }, "something keeps the process alive: ending it");
    process.exit(exitCode);
  }, lingerMs).unref();
}

/** How long a process may live on after everything was closed, in milliseconds. */
const lingerMs = 1000;
