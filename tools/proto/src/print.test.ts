import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { printProto } from "./print.ts";

test("a printed proto compiles to the same names, numbers and types", () => {
  const folder = mkdtempSync(join(tmpdir(), "weft-print-"));
  try {
    mkdirSync(join(folder, "buf/validate"), { recursive: true });
    writeFileSync(join(folder, "buf/validate/validate.proto"), printProto(file_buf_validate_validate));
    writeFileSync(join(folder, "buf.yaml"), "version: v2\n");
    const buf = join(import.meta.dirname, "../../../node_modules/.bin/buf");
    const built = spawnSync(buf, ["build", "-o", "set.binpb"], { cwd: folder, encoding: "utf8" });
    expect(built.stderr).toBe("");
    const set = fromBinary(FileDescriptorSetSchema, readFileSync(join(folder, "set.binpb")));
    const compiled = createFileRegistry(set).getFile("buf/validate/validate.proto");
    if (compiled === undefined) throw new Error("validate.proto was not compiled");
    expect(shape(compiled.proto)).toEqual(shape(file_buf_validate_validate.proto));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** A descriptor without what printing leaves out: options and comments. */
function shape(proto: typeof file_buf_validate_validate.proto): unknown {
  const bare = fromBinary(FileDescriptorProtoSchema, toBinary(FileDescriptorProtoSchema, proto));
  const text = JSON.stringify(
    { ...create(FileDescriptorProtoSchema, bare), sourceCodeInfo: undefined },
    (key, value) => {
      if (key === "options" || key.startsWith("$")) return undefined;
      if (key === "declaration") return undefined;
      return typeof value === "bigint" ? String(value) : (value as unknown);
    },
  );
  const parsed: unknown = JSON.parse(text);
  return parsed;
}
