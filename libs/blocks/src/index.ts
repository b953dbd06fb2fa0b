export { type Blocks, type BlocksOptions, checkBlockUrls, openBlocks } from "./blocks.ts";
export { blockUrlDefaults, type BlockUrls, type Profile } from "./urls.ts";
