import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { printProto } from "./print.ts";

/** By the npm package that carries them: the import path of each proto, and where it lies in the package. */
const packaged: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "google-proto-files": {
    "google/api/annotations.proto": "google/api/annotations.proto",
    "google/api/http.proto": "google/api/http.proto",
    "google/rpc/status.proto": "google/rpc/status.proto",
    "google/rpc/code.proto": "google/rpc/code.proto",
    "google/rpc/error_details.proto": "google/rpc/error_details.proto",
  },
  "@grpc/grpc-js": {
    "grpc/channelz/v1/channelz.proto": "proto/channelz.proto",
  },
  "grpc-health-check": {
    "grpc/health/v1/health.proto": "proto/health/v1/health.proto",
  },
  "@grpc/reflection": {
    "grpc/reflection/v1/reflection.proto": "build/proto/grpc/reflection/v1/reflection.proto",
    "grpc/reflection/v1alpha/reflection.proto": "build/proto/grpc/reflection/v1alpha/reflection.proto",
  },
};

/**
 * Puts the sources of third-party protos where `buf.yaml` looks for them. They are dependencies, taken from their npm
 * packages, and never committed.
 */
export async function writeDependencies(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  const require = createRequire(import.meta.url);
  for (const [name, protos] of Object.entries(packaged)) {
    const home = dirname(require.resolve(`${name}/package.json`));
    for (const [path, source] of Object.entries(protos)) {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await cp(join(home, source), join(directory, path));
    }
  }
  await mkdir(join(directory, "buf/validate"), { recursive: true });
  await writeFile(join(directory, "buf/validate/validate.proto"), printProto(file_buf_validate_validate));
}
