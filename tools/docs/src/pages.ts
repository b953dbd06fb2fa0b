import type { Settings } from "@weft/kit";
import { commonSettings } from "@weft/service/config";
import { knownServices } from "@weft/weft";
import { format } from "prettier";
import { callsPage } from "./calls-page.ts";
import { configurationPage } from "./configuration-page.ts";
import { errorsPage } from "./errors-page.ts";

/** The generated pages, by path below the root of the repository. */
export async function pages(): Promise<ReadonlyMap<string, string>> {
  const services: readonly { readonly service: string; readonly settings: Settings }[] = await knownServices();
  const sections = [
    { title: "Every process", settings: commonSettings },
    ...services.map(({ service, settings }) => ({ title: service, settings })),
  ].filter(({ settings }) => Object.keys(settings).length > 0);
  const markdown = (text: string): Promise<string> => format(text, { parser: "markdown", printWidth: 120 });
  return new Map([
    ["docs/reference/calls.md", await markdown(callsPage())],
    ["docs/reference/configuration.md", await markdown(configurationPage(sections))],
    ["docs/reference/errors.md", await markdown(errorsPage())],
  ]);
}
