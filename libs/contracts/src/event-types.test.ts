import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { eventTypes } from "./event.ts";

test("every file of events is known by its types", async () => {
  const folder = join(import.meta.dirname, "gen/weft/event/v1");
  for (const file of await readdir(folder)) {
    const known = [...eventTypes].some((type) => `${type.file.name.split("/").at(-1)}_pb.ts` === file);
    expect(known, file).toBe(true);
  }
});
