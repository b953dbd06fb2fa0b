export { type Account, findProgram } from "./accounts.ts";
export { findPostgres, type PostgresPrograms } from "./postgres.ts";
export { chooseRunAs, type Command, environment, ourselves, type RunAs, type RunAsOptions } from "./run-as.ts";
