export { openEmbeddedState, type OpenEmbeddedStateOptions } from "./state.ts";
