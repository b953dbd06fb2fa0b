import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { WeftError } from "@weft/kit";
import { findOnPath, type Machine } from "./machine.ts";
import { run } from "./run.ts";

const timeoutMs = 5 * 60_000;

/** Debian's tools for packages, which work without being root as long as nothing is installed. */
export interface Debian {
  readonly apt: string;
  readonly dpkg: string;
}

/** Undefined on other systems. */
export async function findDebian(machine: Machine): Promise<Debian | undefined> {
  const [apt, dpkg] = [await findOnPath("apt-get", machine), await findOnPath("dpkg-deb", machine)];
  return apt === undefined || dpkg === undefined ? undefined : { apt, dpkg };
}

/** What {@link unpackPackages} does. */
export interface UnpackOptions {
  readonly packages: readonly string[];
  /** Another release of Debian than the machine's, from the same mirror. */
  readonly release?: string;
  /** The folder that the packages' files are put below. */
  readonly to: string;
}

/** Downloads packages and unpacks them without installing them. */
export async function unpackPackages(debian: Debian, machine: Machine, options: UnpackOptions): Promise<void> {
  const { packages, release, to } = options;
  const work = join(to, "work");
  await mkdir(work);
  const limits = { cwd: work, env: machine.env, timeoutMs, what: `downloading the packages ${packages.join(", ")}` };
  const own = release === undefined ? [] : await otherRelease(debian, release, work, limits);
  await run(debian.apt, ["-q", ...own, "download", ...packages], limits);
  for (const name of await readdir(work)) {
    if (name.endsWith(".deb")) await run(debian.dpkg, ["-x", join(work, name), to], limits);
  }
  await rm(work, { recursive: true });
}

/** Options that let apt see a release which the machine does not have, and nothing that it does. */
async function otherRelease(
  { apt }: Debian,
  release: string,
  work: string,
  limits: Parameters<typeof run>[2],
): Promise<readonly string[]> {
  const mirrors = await run(
    apt,
    ["indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"],
    limits,
  );
  const mirror = mirrors
    .split("\n")
    .find((line) => /^\S+ [a-z]+$/.test(line))
    ?.split(" ")[0];
  if (mirror === undefined) throw new WeftError("UNAVAILABLE", "apt knows no mirror: run apt-get update first");
  const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
  await writeFile(join(work, "sources.list"), `deb [signed-by=${keyring}] ${mirror} ${release} main\n`);
  await mkdir(join(work, "lists", "partial"), { recursive: true });
  const places = [
    `Dir::Etc::sourcelist=${join(work, "sources.list")}`,
    "Dir::Etc::sourceparts=/dev/null",
    `Dir::State::lists=${join(work, "lists")}`,
    `Dir::Cache=${work}`,
  ];
  const options = places.flatMap((place) => ["-o", place]);
  await run(apt, ["-q", ...options, "update"], limits);
  return options;
}

/** Folders below which shared libraries were unpacked, as `LD_LIBRARY_PATH` wants them. */
export async function libraryPath(folder: string): Promise<string> {
  const names = await readdir(folder, { recursive: true });
  const folders = names.filter((name) => /\.so\.\d/.test(name)).map((name) => join(folder, dirname(name)));
  return [...new Set(folders)].join(":");
}
