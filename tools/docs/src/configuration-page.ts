import { describeSettings, type SettingDescription, type Settings } from "@weft/kit";

/** Settings under the heading that they stand under. */
export interface SettingsSection {
  readonly title: string;
  readonly settings: Settings;
}

/** `docs/reference/configuration.md`: every setting of every process. */
export function configurationPage(sections: readonly SettingsSection[]): string {
  const out = [
    "# Configuration",
    "",
    "Written by `npm run docs` from the settings of each process.",
    "",
    "A setting is read from, later wins: its default, `weft.yaml` in the working directory (by its dotted name), `.env`, the environment, flags, and the configuration block for those that change without a restart: `weft config set logLevel debug` ([guide](../guides/calls.md#steering)). The flag is the name in kebab case: `gateway.maxBodyBytes` is `--gateway-max-body-bytes`. Times are milliseconds, or a number with `ms`, `s`, `m` or `h`. A name that nobody knows is an error, with the nearest known one.",
    "",
    "A setting that holds a password or may do so, as the URL of a server, can be kept in a file: `WEFT_SQL_FILE=/run/secrets/sql_url` says where the value of `WEFT_SQL` stands.",
  ];
  for (const { title, settings } of sections) {
    out.push(
      "",
      `## ${title}`,
      "",
      "| environment | name | default | |",
      "|---|---|---|---|",
      ...describeSettings(settings).map(row),
    );
  }
  return out.join("\n") + "\n";
}

function row(setting: SettingDescription): string {
  const { env, name, unit, allowed, required, hot, about } = setting;
  // A secret prints as stars.
  const value = setting.type === "secret" ? undefined : setting.default;
  const notes = [about, allowed && `Takes ${allowed}.`, hot && "Changes without a restart."].filter(Boolean).join(" ");
  const shown = required
    ? "required"
    : value === undefined
      ? ""
      : `\`${value}\`${unit === undefined ? "" : ` ${unit}`}`;
  return `| \`${env}\` | \`${name}\` | ${shown} | ${notes} |`;
}
