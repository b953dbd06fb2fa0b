/**
 * Lucene's GermanNormalizationFilter (the German2 variant of the Snowball stemmer): `ß` is `ss`; `ä ö ü` and their
 * spellings `ae oe ue` become `a o u`, but `ue` stays after a vowel or `q` (`neue`, `Quelle`).
 * Takes lower-case text in composed form.
 */
export function normalizeGerman(word: string): string {
  return word
    .replaceAll("ß", "ss")
    .replaceAll(/ae|oe|(?<![aeiouäöüyq])ue/g, (pair) => pair[0] ?? "")
    .replaceAll(/[äöü]/g, (umlaut) => (umlaut === "ä" ? "a" : umlaut === "ö" ? "o" : "u"));
}

/**
 * Lucene's GermanLightStemmer, after Jacques Savoy, 'Light Stemming Approaches for the French, Portuguese, German and
 * Hungarian Languages' (2006): takes off endings of number and case. Takes a normalized word.
 */
export function stemGerman(word: string): string {
  return stepTwo(stepOne(fold(word)));
}

/** Folds the accents that are left over. */
function fold(word: string): string {
  return word.normalize("NFD").replaceAll(/\p{M}/gu, "");
}

function stepOne(word: string): string {
  const { length } = word;
  if (length > 5 && word.endsWith("ern")) return word.slice(0, -3);
  if (length > 4 && /e[mnrs]$/.test(word)) return word.slice(0, -2);
  if (length > 3 && word.endsWith("e")) return word.slice(0, -1);
  if (length > 3 && /[bdfghklmnt]s$/.test(word)) return word.slice(0, -1);
  return word;
}

function stepTwo(word: string): string {
  const { length } = word;
  if (length > 5 && word.endsWith("est")) return word.slice(0, -3);
  if (length > 4 && /e[rn]$/.test(word)) return word.slice(0, -2);
  if (length > 4 && /[bdfghklmnt]st$/.test(word)) return word.slice(0, -2);
  return word;
}
