/**
 * The part of a logger that libraries use: facts first, then a message for people. A pino `Logger` is one.
 * Fields hold no secrets and no personal data beyond ids.
 */
export interface Log {
  /** For someone who follows one process closely. */
  debug(fields: object, message: string): void;
  /** Something that happens seldom and as it should. */
  info(fields: object, message: string): void;
  /** Something is wrong and is being handled. */
  warn(fields: object, message: string): void;
  /** Something is wrong and needs somebody. */
  error(fields: object, message: string): void;
}

/** Says nothing: what libraries use when they are given no log. */
export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
};
