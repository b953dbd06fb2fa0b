export { describeSettings, type SettingDescription } from "./config/describe.ts";
export { type ConfigSources, loadConfig } from "./config/load.ts";
export { environmentName, flagName } from "./config/names.ts";
export {
  type ConfigOf,
  type DefaultBy,
  type Setting,
  setting,
  type SettingOptions,
  type Settings,
} from "./config/setting.ts";
