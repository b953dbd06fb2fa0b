import { type Code, reasons, type Reason } from "./reasons.ts";

/** Details of a {@link WeftError} beside its message. */
export interface WeftErrorOptions {
  /** Facts for programs: short strings without secrets or personal data. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Problems of single fields of the input, with paths as the caller wrote them (`user.email`). */
  readonly violations?: readonly FieldViolation[];
  /** Milliseconds after which trying again makes sense. */
  readonly retryAfterMs?: number;
  /** What went wrong underneath. Logged, never sent to a caller. */
  readonly cause?: unknown;
}

/** One bad field of an input. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/**
 * The one error of Weft. `reason` says what went wrong and decides `code` (the canonical gRPC status name), whether a
 * retry may help, and the HTTP status at the gateway.
 */
export class WeftError extends Error {
  override readonly name = "WeftError";
  readonly reason: Reason;
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly FieldViolation[];
  readonly retryAfterMs: number | undefined;

  constructor(reason: Reason, message: string, options: WeftErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.reason = reason;
    this.metadata = options.metadata ?? {};
    this.violations = options.violations ?? [];
    this.retryAfterMs = options.retryAfterMs;
  }

  get code(): Code {
    return reasons[this.reason].code;
  }

  /** Whether the same call may succeed later, as far as the reason tells. */
  get retryable(): boolean {
    return reasons[this.reason].retryable;
  }

  get httpStatus(): number {
    return reasons[this.reason].httpStatus;
  }

  /** The error itself when it is a WeftError; `CANCELLED` or `DEADLINE_EXCEEDED` for an abort; else `INTERNAL`. */
  static from(error: unknown): WeftError {
    if (error instanceof WeftError) return error;
    if (error instanceof Error && error.name === "AbortError") {
      if (error.cause instanceof WeftError) return error.cause;
      return new WeftError("CANCELLED", "the caller gave up", { cause: error });
    }
    if (error instanceof Error && error.name === "TimeoutError") {
      return new WeftError("DEADLINE_EXCEEDED", "the deadline passed", { cause: error });
    }
    return new WeftError("INTERNAL", "an unexpected error", { cause: error });
  }
}

/** Whether `error` is a WeftError for one of `what`: reasons or codes. */
export function isWeftError(error: unknown, ...what: readonly (Reason | Code)[]): error is WeftError {
  return error instanceof WeftError && (what.length === 0 || what.includes(error.reason) || what.includes(error.code));
}

/** The `code` that an error carries, Node's `ENOENT` for one; undefined where there is none. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
