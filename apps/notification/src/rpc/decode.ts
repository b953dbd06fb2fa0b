import type { UserEvent } from "@weft/contracts/event";
import { Channel as ChannelPb, type Preferences as PreferencesPb } from "@weft/contracts/notification";
import { WeftError } from "@weft/kit";
import type { AccountEvent } from "../app/events.ts";
import type { OuterChannel, Preferences } from "../domain/preferences.ts";

/** What a request says of preferences. The inbox is no choice: naming it changes nothing. */
function decodePreferences(given: PreferencesPb): Preferences {
  const channels = given.channels.flatMap((channel): OuterChannel[] => {
    switch (channel) {
      case ChannelPb.EMAIL:
        return ["email"];
      case ChannelPb.WEBHOOK:
        return ["webhook"];
      case ChannelPb.IN_APP:
        return [];
      default:
        throw invalid("preferences.channels", "is not a channel");
    }
  });
  const { quietHours, locale, webhookUrl } = given;
  if (quietHours === undefined) return { channels, locale, webhookUrl };
  const { start, end, timeZone } = quietHours;
  return { channels, locale, webhookUrl, quietHours: { start, end, timeZone: timeZone === "" ? "UTC" : timeZone } };
}

/** The edit that a request asks for: of the fields of its mask, or of all without one (https://google.aip.dev/134). */
export function decodeEdit(given: PreferencesPb, mask: readonly string[]): (before: Preferences) => Preferences {
  const wanted = decodePreferences(given);
  if (mask.length === 0 || mask.includes("*")) return () => wanted;
  return (before) => mask.reduce((edited, path) => withField(edited, wanted, path), before);
}

function withField(edited: Preferences, wanted: Preferences, path: string): Preferences {
  const { quietHours: _, ...rest } = edited;
  const { channels, locale, webhookUrl, quietHours } = wanted;
  const [field] = path.split(".");
  switch (field) {
    case "channels":
      return { ...edited, channels };
    case "locale":
      return { ...edited, locale };
    case "webhook_url":
      return { ...edited, webhookUrl };
    case "quiet_hours":
      return quietHours === undefined ? rest : { ...rest, quietHours };
    // It names whose they are, and is no preference.
    case "user_id":
      return edited;
    default:
      throw invalid("update_mask", `names the unknown field ${path}`);
  }
}

/** What an event means here. */
export function decodeEvent(event: UserEvent): AccountEvent {
  if (event.kind === "deleted") return { kind: "deleted", userId: event.id, version: Number(event.version) };
  const { id, version, name, email, locale } = event.user;
  return { kind: event.kind, account: { userId: id, version: Number(version), name, email, locale } };
}

function invalid(field: string, description: string): WeftError {
  return new WeftError("INVALID_ARGUMENT", `${field} ${description}`, { violations: [{ field, description }] });
}
