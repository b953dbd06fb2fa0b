import { readdir, readFile, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { executable, findOnPath, type Machine } from "./machine.ts";

/** A Java runtime on this machine. */
export interface Java {
  /** Path of `bin/java`. */
  readonly program: string;
  /** 17, 21, … */
  readonly major: number;
  readonly modules: readonly string[];
}

const systemFolder = "/usr/lib/jvm";

/** Every Java here: in `JAVA_HOME`, in the system's folder, on the path; no path twice. */
export async function findJavas(machine: Pick<Machine, "env">): Promise<readonly Java[]> {
  const { JAVA_HOME: home } = machine.env;
  const folders = await readdir(systemFolder).catch(() => []);
  const onPath = await findOnPath("java", machine);
  const homes = [
    ...(home === undefined || home === "" ? [] : [home]),
    ...folders.toSorted().map((name) => join(systemFolder, name)),
  ];
  const programs = await Promise.all(homes.map((folder) => executable(join(folder, "bin", "java"))));
  const found = [...programs, onPath].filter((program) => program !== undefined);
  const unique = [...new Set(await Promise.all(found.map((program) => realpath(program))))];
  const javas = await Promise.all(unique.map(readJava));
  return javas.filter((java) => java !== undefined);
}

/** The first that is at least of version `major` and has the modules. */
export async function findJava(
  machine: Machine,
  { major, modules = [] }: { readonly major: number; readonly modules?: readonly string[] },
): Promise<Java | undefined> {
  const javas = await findJavas(machine);
  return javas.find((java) => java.major >= major && modules.every((module) => java.modules.includes(module)));
}

/** What a Java says of itself in the file `release` of its folder. */
async function readJava(program: string): Promise<Java | undefined> {
  const text = await readFile(join(dirname(program), "..", "release"), "utf8").catch(() => "");
  return parseRelease(program, text);
}

/** For {@link findJavas}. Undefined for what is no Java 9 or later. */
export function parseRelease(program: string, text: string): Java | undefined {
  const major = Number(/^JAVA_VERSION="(\d+)/m.exec(text)?.[1] ?? 0);
  const modules = /^MODULES="([^"]*)"/m.exec(text)?.[1]?.split(" ") ?? [];
  return major < 9 ? undefined : { program, major, modules };
}
