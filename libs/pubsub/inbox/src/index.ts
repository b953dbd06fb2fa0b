export { changeOnce, type ChangeOnceOptions } from "./change-once.ts";
export { type Intake, rememberMs } from "./intake.ts";
export { forgetTakenIn, takeInOnce } from "./take-in-once.ts";
export { inboxMigrations } from "./table.ts";
