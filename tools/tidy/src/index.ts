export { checkLinks } from "./links.ts";
export { checkPackage } from "./packages.ts";
export { checkText } from "./text.ts";
