import type { Log } from "@weft/kit";
import { type DestinationStream, type Logger as PinoLogger, pino, stdSerializers } from "pino";
import type { TraceContext } from "./trace-context.ts";

/** From the most that is said to the least. */
export const logLevels = ["debug", "info", "warn", "error", "fatal"] as const;

export type LogLevel = (typeof logLevels)[number];

/** A process' log: one JSON object a line. Fields hold no secrets and no personal data beyond ids. */
export interface Logger extends Log {
  level: string;
  /** Something that ends the process. */
  fatal(fields: object, message: string): void;
  /** A log whose lines all have these fields. */
  child(fields: object): Logger;
}

export interface LoggerOptions {
  readonly service: string;
  readonly instance: string;
  /** Default `info`. */
  readonly level?: LogLevel;
  /** Where lines go. Default the process' standard output, written at once. */
  readonly destination?: DestinationStream;
}

/** Fields that must not be read by whoever reads logs, on the first two levels of what is logged. */
const hidden = [
  "authorization",
  "cookie",
  "set-cookie",
  "password",
  "token",
  "accessToken",
  "access_token",
  "refreshToken",
  "refresh_token",
  "secret",
  "email",
];
const redactedPaths = hidden.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`]);

/**
 * The log of a process: JSON lines with `time` (ISO 8601), `level`, `service`, `instance`, `msg` and the fields given.
 * Under `err` an error is written with its stack, reason and causes.
 */
export function createLogger(options: LoggerOptions): Logger {
  const { service, instance, level = "info", destination = pino.destination({ fd: 1, sync: true }) } = options;
  const log: PinoLogger = pino(
    {
      level,
      base: { service, instance },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: stdSerializers.errWithCause, error: stdSerializers.errWithCause },
      redact: { paths: redactedPaths, censor: "***" },
    },
    destination,
  );
  return log;
}

/** The log of a piece of work: its lines say which trace they belong to. */
export function withTrace(log: Logger, trace: TraceContext): Logger {
  return log.child({ trace_id: trace.traceId, span_id: trace.spanId });
}
