import { isWeftError } from "@weft/kit";
import type { Server } from "./server.ts";

/**
 * How the words of a document are analysed, by its language: each is a group of fields of its own (`en.title`), of which
 * a document fills one. `plain` is for languages without rules here. Chinese and Japanese are the same in all of them,
 * and the Latin words within them are mostly English.
 */
export const analyses = ["en", "de", "plain"] as const;
export type Analysis = (typeof analyses)[number];

/** Written with the template; a higher one replaces a lower one. */
const version = 3;
/** Longest word, in UTF-16 code units; Lucene refuses a document with a term over 32,766 bytes. */
const maxWordLength = 8000;

const stemming: Readonly<Record<Analysis, readonly string[]>> = {
  en: ["asciifolding", "porter_stem"],
  de: ["german_normalization", "asciifolding", "weft_light_german"],
  plain: ["asciifolding"],
};

function filters(analysis: Analysis): readonly string[] {
  return ["lowercase", "weft_parts", ...stemming[analysis], "weft_longest"];
}

/** Name of the analyzer, of documents and queries alike. */
export function analyzerName(analysis: Analysis): string {
  return `weft_${analysis}`;
}

const analysis = {
  tokenizer: {
    // The words are cut before they come here. One that is too long is truncated below, and not cut in two here.
    weft_words: { type: "whitespace", max_token_length: 1_048_576 },
  },
  filter: {
    // `libfoo-dev` is `libfoo` and `dev`, and as a query the phrase of them: so it is found as it stands, and nothing
    // spans two positions, which phrases of Lucene may miss.
    weft_parts: {
      type: "word_delimiter_graph",
      split_on_case_change: false,
      split_on_numerics: false,
      // The English genitive is no word of its own.
      stem_english_possessive: true,
      // See `spellSigns`.
      type_table: ["＋ => ALPHA", "＃ => ALPHA"],
    },
    weft_light_german: { type: "stemmer", language: "light_german" },
    weft_longest: { type: "truncate", length: maxWordLength },
  },
  analyzer: Object.fromEntries(
    analyses.map((name) => [analyzerName(name), { tokenizer: "weft_words", filter: filters(name) }]),
  ),
};

const settings = {
  number_of_shards: 1,
  auto_expand_replicas: "0-1",
  // Whoever reads refreshes first. Elasticsearch's own refresh each second, which goes on for half a minute after a search
  // by default, would cost a bulk as much again as the writing.
  search: { idle: { after: "1s" } },
  analysis,
};

/**
 * Puts the settings of all indexes of a namespace, as the index template of that name. One that a newer process has
 * written stays.
 */
export async function ensureTemplate(server: Server, namespace: string): Promise<void> {
  const path = `/_index_template/${namespace}`;
  const stored = await storedVersion(server, path);
  if (stored >= version) return;
  await server.request({
    method: "PUT",
    path,
    kind: "repeatable",
    body: {
      index_patterns: [`${namespace}.*`],
      version,
      priority: 200,
      // A change that comes after its index was deleted must not make another one.
      allow_auto_create: false,
      template: { settings: { index: settings } },
      _meta: { description: "Weft: the search indexes of this namespace" },
    },
  });
}

interface Templates {
  readonly index_templates: readonly { readonly index_template: { readonly version?: number } }[];
}

async function storedVersion(server: Server, path: string): Promise<number> {
  try {
    const { index_templates } = await server.request<Templates>({ method: "GET", path, kind: "read" });
    return index_templates[0]?.index_template.version ?? 0;
  } catch (error) {
    if (isWeftError(error, "NOT_FOUND")) return 0;
    throw error;
  }
}
