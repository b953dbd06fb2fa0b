export { ensureDatabase } from "./database.ts";
export { embeddedPostgresUrl } from "./embedded/layout.ts";
export { type EmbeddedPostgres, type EmbeddedPostgresOptions, startEmbeddedPostgres } from "./embedded/server.ts";
export { postgresError } from "./errors.ts";
export { openPostgres, type OpenPostgresOptions } from "./postgres.ts";
