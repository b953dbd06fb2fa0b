/** `gateway.maxBodyBytes` → `WEFT_GATEWAY_MAX_BODY_BYTES` */
export function environmentName(name: string): string {
  return `WEFT_${words(name).join("_").toUpperCase()}`;
}

/** `gateway.maxBodyBytes` → `--gateway-max-body-bytes` */
export function flagName(name: string): string {
  return `--${words(name).join("-")}`;
}

function words(name: string): string[] {
  return name.replace(/[A-Z]/g, (letter) => `.${letter.toLowerCase()}`).split(".");
}

/** The known name that was most likely meant: at most a third of its letters are wrong, added, missing or swapped. */
export function closest(name: string, known: Iterable<string>): string | undefined {
  let best: { readonly name: string; readonly distance: number } | undefined;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance > Math.max(1, candidate.replace(/^(WEFT_|--)/, "").length / 3)) continue;
    if (best === undefined || distance < best.distance) best = { name: candidate, distance };
  }
  return best?.name;
}

/** Optimal string alignment (Damerau–Levenshtein without edits of swapped letters). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
