import type { JsonObject } from "@weft/kit";
import type { IndexDefinition } from "./definition.ts";

/** How a document's words are analysed. `other`: by words, without stemming. */
export type Language = "en" | "de" | "ja" | "zh" | "other";

/** Characters of a text that are looked at: enough to tell, and bounded. */
const sampleLength = 2000;

const german =
  /(?<!\p{L})(?:der|die|das|und|ist|nicht|ein|eine|einen|für|mit|von|zu|auf|wurde|sich|auch|wie)(?!\p{L})|[äöüß]/giu;
const english = /(?<!\p{L})(?:the|and|of|is|in|to|a|an|for|with|on|was|as|by|from|that|this|born)(?!\p{L})/giu;

/**
 * The language of a document: of its language field when that names one, else what the script and the small words of
 * its text fields tell; Latin text that tells nothing is taken as English. Adapters share it, so that they agree.
 */
export function documentLanguage(definition: IndexDefinition, document: JsonObject): Language {
  const declared = definition.languageField === undefined ? undefined : document[definition.languageField];
  if (typeof declared === "string" && declared !== "") return declaredLanguage(declared);
  let text = "";
  for (const [name, type] of definition.fields) {
    const value = document[name];
    if (type.kind === "text" && typeof value === "string" && text.length < sampleLength) text += `${value}\n`;
  }
  return textLanguage(text.slice(0, sampleLength));
}

function declaredLanguage(tag: string): Language {
  const primary = tag.toLowerCase().split(/[-_]/, 1)[0] ?? "";
  return primary === "en" || primary === "de" || primary === "ja" || primary === "zh" ? primary : "other";
}

function textLanguage(text: string): Language {
  if (/[\p{Script=Hiragana}\p{Script=Katakana}]/u.test(text)) return "ja";
  if (/\p{Script=Han}/u.test(text)) return "zh";
  if (!/\p{Script=Latin}/u.test(text) && /\p{L}/u.test(text)) return "other";
  return count(text, german) > count(text, english) ? "de" : "en";
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}
