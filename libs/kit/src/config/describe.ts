import { Secret } from "../secret.ts";
import { environmentName, flagName } from "./names.ts";
import type { Setting, Settings } from "./setting.ts";

/** A setting as the generated reference shows it. */
export interface SettingDescription {
  /** Also its path in `weft.yaml`. */
  readonly name: string;
  readonly env: string;
  readonly flag: string;
  readonly type: Setting<unknown>["kind"];
  /** As somebody would write it; undefined where there is none. */
  readonly default: string | undefined;
  /** `ms`, `bytes`, `s` … by the end of the name. */
  readonly unit: string | undefined;
  /** What values it takes, if not any of its type. */
  readonly allowed: string | undefined;
  readonly hot: boolean;
  readonly required: boolean;
  readonly about: string;
}

const units: readonly (readonly [suffix: RegExp, unit: string])[] = [
  [/(^|[a-z])Ms$|^ms$/, "ms"],
  [/Bytes$|^bytes$/, "bytes"],
  [/KiB$/, "KiB"],
  [/Seconds$|^seconds$/, "s"],
  [/Percent$|^percent$/, "%"],
];

/** What there is to say of each setting, sorted by name. */
export function describeSettings(settings: Settings): readonly SettingDescription[] {
  return Object.values(settings)
    .map((one) => ({
      name: one.name,
      env: environmentName(one.name),
      flag: flagName(one.name),
      type: one.kind,
      default: defaultText(one),
      unit: units.find(([suffix]) => suffix.test(one.name.split(".").at(-1) ?? ""))?.[1],
      allowed: one.allowed,
      hot: one.hot,
      required: one.required,
      about: one.about,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function defaultText({ default: value, defaultBy }: Setting<unknown>): string | undefined {
  if (defaultBy !== undefined) {
    return Object.entries(defaultBy.values)
      .map(([when, what]) => `${valueText(what)} (${defaultBy.setting} ${when})`)
      .join(", ");
  }
  return value === undefined ? undefined : valueText(value);
}

function valueText(value: unknown): string {
  // A default stands in the source for all to read: that much is no secret.
  if (value instanceof Secret) return valueText(value.reveal());
  if (Array.isArray(value)) return value.join(",");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
