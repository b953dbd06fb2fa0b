import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine } from "./engine.ts";
import type { RunOptions } from "./run.ts";

const root = join(import.meta.dirname, "../../..");

/** The root's docker-compose.yml on an engine. */
export interface Compose {
  /** `docker compose …`. */
  (args: readonly string[], options?: RunOptions): Promise<string>;
}

/** What Compose says of a container. */
export interface Container {
  readonly Service: string;
  readonly Name: string;
  readonly State: string;
  readonly Health: string;
  readonly ExitCode: number;
}

/** `docker compose` for the file of the repository. */
export function composeOn(engine: Engine): Compose {
  return (args, options) =>
    engine.docker(["compose", "--ansi=never", "--progress=plain", "--project-directory", root, ...args], options);
}

/** All containers, those that ended too, by service. */
export async function containersOf(compose: Compose): Promise<ReadonlyMap<string, Container>> {
  const lines = (await compose(["ps", "--all", "--format=json"])).trim().split("\n").filter(Boolean);
  return new Map(
    lines.map((line) => {
      const container = JSON.parse(line) as Container;
      return [container.Service, container];
    }),
  );
}

/** A temporary folder for as long as it is needed. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "weft-docker-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
