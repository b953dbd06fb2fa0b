import { readFile } from "node:fs/promises";
import type { Plugin } from "esbuild";

/** No package of ours does anything when it is imported: what nobody uses of it can go. */
export const ownPackages: Plugin = {
  name: "own packages",
  setup(build) {
    build.onResolve({ filter: /^@weft\// }, async ({ path, pluginData, ...from }) => {
      if (pluginData === ownPackages) return undefined; // The question that we asked ourselves.
      const { importer, resolveDir, kind } = from;
      const {
        errors,
        warnings,
        path: found,
      } = await build.resolve(path, {
        importer,
        resolveDir,
        kind,
        pluginData: ownPackages,
      });
      return errors.length > 0 ? { errors, warnings } : { path: found, sideEffects: false };
    });
  },
};

/**
 * Where our code needs a package on demand and at once, it says `createRequire(import.meta.url)("name")`, which esbuild
 * leaves alone. As a plain `require` the package goes into the bundle, and is still run on demand.
 */
export function lazyRequire(libs: string): Plugin {
  const call = /\bcreateRequire\(import\.meta\.url\)\(("[^"]+")\)/g;
  return {
    name: "require on demand",
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (!path.startsWith(libs)) return undefined;
        const text = await readFile(path, "utf8");
        return { contents: text.replaceAll(call, "require($1)"), loader: "ts" };
      });
    },
  };
}

/** What the app finds in its own `package.json`: its version. */
export function versionOf(manifestPath: string, version: string): Plugin {
  return {
    name: "version",
    setup(build) {
      build.onLoad({ filter: /\/package\.json$/ }, ({ path }) =>
        path === manifestPath ? { contents: JSON.stringify({ version }), loader: "json" } : undefined,
      );
    },
  };
}
