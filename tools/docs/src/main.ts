import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pages } from "./pages.ts";

const root = join(import.meta.dirname, "../../..");
for (const [path, text] of await pages()) await writeFile(join(root, path), text);
