import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { build, type Metafile } from "esbuild";
import { licencesOf } from "./licences.ts";
import { lazyRequire, ownPackages, versionOf } from "./plugins.ts";

export interface BundleOptions {
  /** Root of the repository. */
  readonly root: string;
  /** Folder of the app below the root: `apps/user`. */
  readonly app: string;
  /** Folder that the artefact is written to; what is there goes. */
  readonly to: string;
  /** What the artefact calls its version. Default the app's own. */
  readonly version?: string;
}

/** What was built. */
export interface Bundle {
  readonly version: string;
  /** Paths of all scripts below `to`, the entry first. */
  readonly scripts: readonly string[];
  /** Paths below the root of every file that a part of went in. */
  readonly inputs: readonly string[];
}

/** The version of Node that artefacts need, as `engines` and esbuild's target have it. */
const nodeMajor = 24;

/** Vendors' clients are CommonJS: `require` is theirs. */
const banner = [
  `import { createRequire as createRequireOfBundle } from "node:module";`,
  `const require = createRequireOfBundle(import.meta.url);`,
].join("\n");

/**
 * Bundles an app into a folder that needs Node and nothing else: `main.js`, chunks that are loaded on demand (an adapter
 * each), source maps, `package.json` and the licences of what is inside. It holds what the app can reach from its
 * `main.ts`, and no more: of the adapters, those of the blocks that it opens.
 */
export async function bundle({ root, app, to, version: wanted }: BundleOptions): Promise<Bundle> {
  const manifestPath = join(root, app, "package.json");
  const manifest = JSON.parse(await readFile(manifestPath, "utf8")) as AppManifest;
  const version = wanted ?? manifest.version;
  const { metafile, outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: { main: join(app, "src/main.ts") },
    outdir: to,
    bundle: true,
    splitting: true,
    write: false,
    metafile: true,
    platform: "node",
    target: `node${nodeMajor}`,
    format: "esm",
    // ES modules, where a package has both, are what can be shaken.
    mainFields: ["module", "main"],
    sourcemap: "linked",
    // Names and lines, without the text of the sources.
    sourcesContent: false,
    // A class is called in a log what it is called in its source.
    keepNames: true,
    legalComments: "none",
    chunkNames: "chunks/[name]-[hash]",
    banner: { js: banner },
    plugins: [ownPackages, lazyRequire(join(root, "libs")), versionOf(manifestPath, version)],
    logLevel: "warning",
  });
  const scripts = reachable(metafile, relative(root, join(to, "main.js")));
  const wantedFiles = new Set(scripts.flatMap((path) => [join(root, path), join(root, `${path}.map`)]));
  const parts = scripts.flatMap((path) => Object.entries(metafile.outputs[path]?.inputs ?? {}));
  const inputs = [...new Set(parts.flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? path : [])))].sort();

  await rm(to, { recursive: true, force: true });
  await mkdir(to, { recursive: true });
  for (const { path, contents } of outputFiles) {
    if (!wantedFiles.has(path)) continue;
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, contents);
  }
  await writeFile(join(to, "package.json"), `${JSON.stringify(artefactManifest(manifest, version), undefined, 2)}\n`);
  await writeFile(join(to, "THIRD_PARTY_LICENCES.txt"), await licencesOf(root, inputs));
  return { version, scripts: scripts.map((path) => relative(to, join(root, path))), inputs };
}

interface AppManifest {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
}

function artefactManifest({ name, description }: AppManifest, version: string): object {
  return {
    name,
    version,
    private: true,
    description,
    license: "Apache-2.0",
    type: "module",
    main: "main.js",
    engines: { node: `>=${nodeMajor}` },
  };
}

/** The entry and every chunk that it may load. esbuild writes one for each dynamic import, those of dead code too. */
function reachable({ outputs }: Metafile, entry: string): string[] {
  if (outputs[entry] === undefined) throw new Error(`esbuild made no ${basename(entry)}`);
  const found = new Set([entry]);
  for (const path of found) {
    for (const imported of outputs[path]?.imports ?? []) if (!imported.external) found.add(imported.path);
  }
  return [...found];
}
