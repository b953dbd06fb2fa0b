import type { Difference } from "./account.ts";
import { seconds } from "./plan.ts";

/** What a run tells while it runs. */
export interface Report {
  round(round: { readonly number: number; readonly done: readonly string[]; readonly accepted: number }): void;
  account(account: {
    readonly number: number;
    readonly users: number;
    readonly accepted: number;
    readonly differences: readonly Difference[];
    readonly tookMs: number;
  }): void;
  /** How often each kind of answer came. */
  answers(answers: ReadonlyMap<string, number>): void;
  differences(differences: readonly Difference[], folder: string): void;
}

/** Differences that are told one by one. */
const mostTold = 20;

/** Lines for people. */
export function textReport(print: (line: string) => void): Report {
  return {
    round: ({ number, done, accepted }) => print(`round ${number}: ${done.join("; ")} (accepted: ${accepted})`),
    account: ({ users, accepted, differences, tookMs }) => {
      const verdict = differences.length === 0 ? "agree" : `${differences.length} differences`;
      print(`  account: ${users} users, ${accepted} changes: ${verdict} after ${seconds(tookMs)}`);
    },
    answers: (answers) => {
      for (const [answer, count] of [...answers].toSorted(([a], [b]) => a.localeCompare(b)))
        print(`  ${count} × ${answer}`);
    },
    differences: (differences, folder) => {
      for (const { kind, what } of differences.slice(0, mostTold)) print(`  ${kind}: ${what}`);
      if (differences.length > mostTold) print(`  and ${differences.length - mostTold} more`);
      print(`  all that was there is kept in ${folder}`);
    },
  };
}

/** JSON, an object a line. */
export function jsonReport(print: (line: string) => void): Report {
  const tell = (event: string, facts: object): void => print(JSON.stringify({ event, ...facts }));
  return {
    round: (round) => tell("round", round),
    account: ({ differences, tookMs, ...facts }) =>
      tell("account", { ...facts, differences: differences.length, tookMs: Math.round(tookMs) }),
    answers: (answers) => tell("answers", { answers: Object.fromEntries(answers) }),
    differences: (differences, folder) =>
      tell("differences", { count: differences.length, first: differences.slice(0, mostTold), folder }),
  };
}
