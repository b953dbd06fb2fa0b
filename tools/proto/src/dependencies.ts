import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { printProto } from "./print.ts";

const googleProtos = [
  "google/api/annotations.proto",
  "google/api/http.proto",
  "google/rpc/status.proto",
  "google/rpc/code.proto",
  "google/rpc/error_details.proto",
];

/**
 * Puts the sources of third-party protos where `buf.yaml` looks for them. They are dependencies, taken from their npm
 * packages, and never committed.
 */
export async function writeDependencies(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  const packaged = dirname(createRequire(import.meta.url).resolve("google-proto-files/package.json"));
  for (const name of googleProtos) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await cp(join(packaged, name), join(directory, name));
  }
  await mkdir(join(directory, "buf/validate"), { recursive: true });
  await writeFile(join(directory, "buf/validate/validate.proto"), printProto(file_buf_validate_validate));
}
