import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { buf, eventProto, golden, type GoldenRow, withContract } from "./golden.ts";

const root = join(import.meta.dirname, "../../..");
/** What buf exits with when it has something to say of the contract itself. */
const hasComplaints = 100;
/** Each test starts buf a few times. */
const patient = { timeout: 60_000 };
const baseline = join(root, "proto/baseline.binpb");

/** What buf says of edits of the contract of events, compared with what was released; empty when they are allowed. */
function complaints(edits: readonly (readonly [find: string, replace: string])[]): Promise<string> {
  return withContract("today", async (folder) => {
    const path = join(folder, eventProto);
    let text = await readFile(path, "utf8");
    for (const [find, replace] of edits) {
      expect(text.split(find), `has this once: ${find}`).toHaveLength(2);
      text = text.replace(find, replace);
    }
    await writeFile(path, text);
    return breaking(folder, baseline);
  });
}

/** @param against what `buf build` makes */
async function breaking(folder: string, against: string): Promise<string> {
  try {
    await buf(folder, "breaking", ".", "--limit-to-input-files", "--exclude-imports", "--against", against);
    return "";
  } catch (error) {
    const { code, stdout } = error as { readonly code?: number; readonly stdout?: Buffer };
    if (code !== hasComplaints) throw error;
    return String(stdout);
  }
}

async function built(folder: string): Promise<string> {
  const image = join(folder, "image.binpb");
  await buf(folder, "build", ".", "-o", image);
  return image;
}

test("what was released of events, and is not to break, is all of them", async () => {
  const released = createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(baseline)));
  const messages = released.getFile(eventProto)?.messages.map(({ name }) => name);
  const today = await readFile(join(root, "proto", eventProto), "utf8");
  expect(messages).toEqual([...today.matchAll(/^message (\w+)/gm)].map(([, name]) => name));
});

test("a change of the contract of events that somebody could not read is refused", patient, async () => {
  const refused = await complaints([
    ["int64 version = 10;", "int64 version = 11;"],
    ["string bio = 4;", "bytes bio = 4;"],
    ["  string location = 5;\n", ""],
    ["repeated string tags = 7;", "string tags = 7;"],
    ["string locale = 6;", "string language = 6;"],
    ["message UserDeleted {", "message UserGone {"],
  ]);
  for (const complaint of [
    /"10" with name "version" .*was deleted/,
    /"4" with name "bio" .*changed type/,
    /"5" with name "location" .*was deleted/,
    /"7" .*changed cardinality/,
    /"6" .*changed name/,
    /"UserDeleted" was deleted/,
  ]) {
    expect(refused).toMatch(complaint);
  }
});

test("the contract of events may grow", patient, async () => {
  const field = "int64 version = 10;\n";
  expect(await complaints([[field, `${field}  string display_name = 11;\n`]])).toBe("");
});

test(
  "the version ahead that is tested with is one that today's may become, and today's one of the version behind",
  patient,
  async () => {
    await withContract("v0", (behind) =>
      withContract("today", (today) =>
        withContract("next", async (next) => {
          expect(await breaking(today, await built(behind))).toBe("");
          expect(await breaking(next, await built(today))).toBe("");
        }),
      ),
    );
  },
);

test("the bytes of a version ahead say what stands beside them", patient, async () => {
  const rows = JSON.parse(await readFile(join(golden, "user-events.next.json"), "utf8")) as GoldenRow[];
  await withContract("next", async (folder) => {
    for (const [at, { type, says, hex }] of rows.entries()) {
      const from = join(folder, `${at}.binpb`);
      await writeFile(from, Buffer.from(hex, "hex"));
      const json = await buf(folder, "convert", ".", "--type", type, "--from", from, "--to", "-#format=json");
      expect(JSON.parse(json.toString())).toEqual(says);
    }
  });
});
