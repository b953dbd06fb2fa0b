export {
  Blocks,
  type BlocksOptions,
  checkBlockUrls,
  openConfiguration,
  openDiscovery,
  openLocks,
  openPubSub,
  openSearch,
  openSecrets,
  openSql,
  openState,
} from "./blocks.ts";
export { blockUrlDefaults, type BlockUrls, type Profile } from "./urls.ts";
