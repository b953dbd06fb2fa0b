import { settings as gateway } from "@weft/gateway/settings";
import { settings as indexer } from "@weft/indexer/settings";
import type { Settings } from "@weft/kit";
import { settings as notification } from "@weft/notification/settings";
import { settings as search } from "@weft/search-service/settings";
import { commonSettings } from "@weft/service";
import { settings as user } from "@weft/user/settings";
import { format } from "prettier";
import { configurationPage } from "./configuration-page.ts";
import { errorsPage } from "./errors-page.ts";

/** The generated pages, by path below the root of the repository. */
export async function pages(): Promise<ReadonlyMap<string, string>> {
  const own = (settings: Settings): Settings =>
    Object.fromEntries(Object.entries(settings).filter(([key]) => !(key in commonSettings)));
  const sections = [
    { title: "Every process", settings: commonSettings },
    { title: "gateway", settings: own(gateway) },
    { title: "user", settings: own(user) },
    { title: "indexer", settings: own(indexer) },
    { title: "search", settings: own(search) },
    { title: "notification", settings: own(notification) },
  ].filter(({ settings }) => Object.keys(settings).length > 0);
  const markdown = (text: string): Promise<string> => format(text, { parser: "markdown", printWidth: 120 });
  return new Map([
    ["docs/reference/configuration.md", await markdown(configurationPage(sections))],
    ["docs/reference/errors.md", await markdown(errorsPage())],
  ]);
}
