export { type MethodContract, contractOf } from "./method.ts";
export { services } from "./services.ts";
