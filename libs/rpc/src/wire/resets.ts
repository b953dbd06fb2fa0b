/** How many calls of one connection may be cancelled: so many at once, and so many a second after that. */
export interface ResetAllowance {
  readonly burst: number;
  readonly perSecond: number;
}

/** In the initial metadata of a health watch: the server's allowance, `burst/perSecond`. */
export const resetsKey = "weft-resets";

export function formatResets({ burst, perSecond }: ResetAllowance): string {
  return `${burst}/${perSecond}`;
}

/** Undefined for what is not an allowance. */
export function parseResets(text: string): ResetAllowance | undefined {
  const found = /^(\d{1,9})\/(\d{1,9})$/.exec(text);
  return found === null ? undefined : { burst: Number(found[1]), perSecond: Number(found[2]) };
}
