export { describeSettings, type SettingDescription } from "./config/describe.ts";
export { type ConfigSources, loadConfig } from "./config/load.ts";
export { closest, environmentName, flagName } from "./config/names.ts";
export { type Parsed, type Problem, problemsOf } from "./config/parse.ts";
export {
  type ConfigOf,
  type DefaultBy,
  type Setting,
  setting,
  type SettingOptions,
  type Settings,
} from "./config/setting.ts";
