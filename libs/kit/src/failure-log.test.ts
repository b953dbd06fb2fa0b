import { expect, test } from "vitest";
import { FailureLog } from "./failure-log.ts";
import { type Log, silentLog } from "./log.ts";

test("a run of failures is a line where it begins and one where it ends", () => {
  const lines: string[] = [];
  const log: Log = {
    ...silentLog,
    warn: (fields, text) => void lines.push(`warn ${text} ${JSON.stringify(fields)}`),
    info: (fields, text) => void lines.push(`info ${text} ${JSON.stringify(fields)}`),
  };
  const failures = new FailureLog(log, { began: "it is away", ended: "it is back" });
  failures.worked();
  failures.failed("why", { what: 1 });
  failures.failed("why", { what: 2 });
  failures.worked({ what: 3 });
  failures.worked();
  failures.failed("again");
  expect(lines).toEqual([
    'warn it is away {"what":1,"err":"why"}',
    'info it is back {"what":3}',
    'warn it is away {"err":"again"}',
  ]);
});
