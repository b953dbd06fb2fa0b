export { orAborted, throwIfAborted } from "./abort.ts";
export { backoffMs, type BackoffOptions } from "./backoff.ts";
export { type Clock, ManualClock, systemClock } from "./clock.ts";
export {
  closest,
  type ConfigOf,
  type ConfigSources,
  type DefaultBy,
  describeSettings,
  environmentName,
  flagName,
  loadConfig,
  type Parsed,
  type Problem,
  problemsOf,
  type Setting,
  setting,
  type SettingDescription,
  type SettingOptions,
  type Settings,
} from "./config.ts";
export { withTimeout } from "./deadline.ts";
export { errorCode, type FieldViolation, isWeftError, WeftError, type WeftErrorOptions } from "./errors.ts";
export { FailureLog } from "./failure-log.ts";
export { escapeHtml } from "./html.ts";
export { countingIds, newUuid, type NewId } from "./ids.ts";
export { isJsonObject, type JsonObject, type JsonValue, mergePatch } from "./json.ts";
export { Latest } from "./latest.ts";
export { type Log, silentLog } from "./log.ts";
export { type Code, isReason, type Reason, reasonOfCode, reasons } from "./reasons.ts";
export { randomHex } from "./random.ts";
export { Secret } from "./secret.ts";
export { hostAndPort, parseServerUrl, type ServerUrl, type ServerUrlOptions } from "./server-url.ts";
export { watchSignals } from "./signals.ts";
export { openSocketsOf } from "./sockets.ts";
