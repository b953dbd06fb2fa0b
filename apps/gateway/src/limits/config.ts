import { type FieldViolation, isJsonObject, type JsonValue, type Parsed } from "@weft/kit";
import { parseQuota, type Quota, quotaForm } from "@weft/resilience";

/** Rate classes of the contracts, as settings write them. */
export const rateClasses = ["read", "write", "auth", "search", "bulk", "stream"] as const;
export type RateClassName = (typeof rateClasses)[number];

/**
 * Who shares a quota: each user with a valid token, each administrator (a user, where it is not set), each client address
 * of calls without one, all callers together.
 */
export const scopes = ["user", "admin", "address", "total"] as const;
export type Scope = (typeof scopes)[number];

/** What somebody wants otherwise than {@link defaultLimits}: quotas like `100/10s`, or `off`, by rate class and scope. */
export type LimitsConfig = Readonly<Partial<Record<RateClassName, Readonly<Partial<Record<Scope, string>>>>>>;

/**
 * Far above what one caller does by hand or by a page; low over time only where each call may cost a password hash, or
 * guess a password.
 */
export const defaultLimits: LimitsConfig = {
  read: { user: "40000/2s", address: "40000/2s" },
  write: { user: "20000/2s", address: "20000/2s" },
  auth: { user: "1000/1m", admin: "20000/2s", address: "1000/1m" },
  search: { user: "20000/2s", address: "20000/2s" },
  bulk: { user: "5000/10s", address: "5000/10s" },
  stream: { user: "5000/10s", address: "5000/10s" },
};

/** What a value of the setting says, or every problem of it. */
export function readLimits(value: JsonValue): Parsed<LimitsConfig> {
  if (!isJsonObject(value)) return { problem: "is not an object of rate classes" };
  const problems: FieldViolation[] = [];
  const limits: Record<string, Record<string, string>> = {};
  for (const [name, said] of Object.entries(value)) {
    if (!rateClasses.some((known) => known === name)) {
      problems.push({ field: name, description: `is not one of ${rateClasses.join(", ")}` });
    } else if (said !== null) {
      problems.push(...readClass(name, said, (limits[name] = {})));
    }
  }
  return problems.length > 0 ? { problems } : { value: limits };
}

/** Takes over what is said of a class. What is wrong with it. */
function readClass(name: string, said: JsonValue, into: Record<string, string>): readonly FieldViolation[] {
  if (!isJsonObject(said)) return [{ field: name, description: `is not an object of ${scopes.join(", ")}` }];
  return Object.entries(said).flatMap(([scope, text]) => {
    const field = `${name}.${scope}`;
    if (!scopes.some((known) => known === scope)) {
      return [{ field, description: `is not one of ${scopes.join(", ")}` }];
    }
    if (text === null) return [];
    if (typeof text !== "string" || (text !== "off" && parseQuota(text) === undefined)) {
      return [{ field, description: `${quotaForm}, nor off` }];
    }
    into[scope] = text;
    return [];
  });
}

/** The quotas by name of the limit (`read-user`): what is said, and the defaults of what is not. */
export function quotasOf(said: LimitsConfig): Readonly<Record<string, Quota>> {
  const quotas: Record<string, Quota> = {};
  for (const name of rateClasses) {
    const limits = { ...defaultLimits[name], ...said[name] };
    for (const scope of scopes) {
      const quota = parseQuota(limits[scope] ?? (scope === "admin" ? limits.user : undefined) ?? "off");
      if (quota !== undefined) quotas[`${name}-${scope}`] = quota;
    }
  }
  return quotas;
}
