import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Settings, WeftError } from "@weft/kit";

/** A process that `up` starts. */
export interface ProcessSpec {
  /** The name under which discovery lists it. */
  readonly service: string;
  /** From 1; counts the replicas. */
  readonly number: number;
  /** The script that Node runs. */
  readonly entry: string;
  /** Variables of this process alone. */
  readonly env?: Readonly<Record<string, string>>;
  /** It can't start before the SQL server runs. */
  readonly needsSql?: boolean;
}

/** A service that `up` knows. */
export interface ServiceSpec extends Omit<ProcessSpec, "number"> {
  readonly settings: Settings;
  /** There can be one only: it has a fixed port. */
  readonly single?: boolean;
}

const apps = join(import.meta.dirname, "../../../../apps");
const mostReplicas = 32;

/** The services of this repository, with the settings that each of them declares in its `settings.ts`. */
export async function knownServices(): Promise<ServiceSpec[]> {
  const services: Omit<ServiceSpec, "settings" | "entry">[] = [
    { service: "user", needsSql: true },
    { service: "indexer" },
    { service: "search" },
    { service: "notification" },
    { service: "gateway", single: true },
  ];
  return Promise.all(
    services.map(async (one) => {
      const folder = join(apps, one.service, "src");
      return { ...one, entry: join(folder, "main.ts"), settings: await settingsIn(join(folder, "settings.ts")) };
    }),
  );
}

/** By path, not by package: a tool depends on no app, and needs this one file of it, which imports nothing big. */
async function settingsIn(path: string): Promise<Settings> {
  if (!existsSync(path)) return {};
  const module = (await import(pathToFileURL(path).href)) as { readonly settings?: Settings };
  return module.settings ?? {};
}

/** One process for each replica. `INVALID_ARGUMENT` for replicas of what is not known, or too many. */
export function processesOf(
  services: readonly ServiceSpec[],
  replicas: ReadonlyMap<string, number>,
): readonly ProcessSpec[] {
  const names = services.map(({ service }) => service);
  for (const [name, wanted] of replicas) {
    const service = services.find((known) => known.service === name);
    if (service === undefined) {
      throw new WeftError("INVALID_ARGUMENT", `--replicas: there is no service ${name}; there are ${names.join(", ")}`);
    }
    const most = service.single === true ? 1 : mostReplicas;
    if (wanted < 1 || wanted > most) {
      throw new WeftError("INVALID_ARGUMENT", `--replicas: ${name} can have 1 to ${most}, not ${wanted}`);
    }
  }
  return services.flatMap(({ settings: _, single: __, ...spec }) =>
    Array.from({ length: replicas.get(spec.service) ?? 1 }, (___, index) => ({ ...spec, number: index + 1 })),
  );
}
