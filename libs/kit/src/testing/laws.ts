import { describe, test } from "vitest";

/** One law of a port, as something that can be run against any implementation. */
export interface Law<Fixture> {
  /** Starts with the law's number: `D1 a watcher sees …`. */
  readonly title: string;
  /** Rejects when the law does not hold. */
  run(fixture: Fixture): Promise<void>;
}

/** Only what hangs takes so long, in milliseconds: laws end their waits themselves. */
const timeoutMs = 120_000;

/** Runs each law as a test, on a fixture of its own. Laws wait more than they work, so they run side by side. */
export function describeLaws<Fixture extends AsyncDisposable>(
  name: string,
  laws: readonly Law<Fixture>[],
  open: () => Promise<Fixture>,
): void {
  describe(name, () => {
    for (const law of laws) test.concurrent(law.title, () => runLaw(law, open), timeoutMs);
  });
}

/** A deliberately wrong implementation, and the law that must notice. */
export interface Mutant<Fixture> {
  readonly fault: string;
  /** Number of the law: `D3`. */
  readonly breaks: string;
  readonly open: () => Promise<Fixture>;
}

/** Tests that, for each mutant, at least one of the laws it breaks rejects: a suite that passes everything proves nothing. */
export function describeMutants<Fixture extends AsyncDisposable>(
  name: string,
  laws: readonly Law<Fixture>[],
  mutants: readonly Mutant<Fixture>[],
): void {
  describe(name, () => {
    for (const { fault, breaks, open } of mutants) {
      const title = `${breaks} fails when ${fault}`;
      test.concurrent(
        title,
        async () => {
          const broken = laws.filter((law) => law.title.startsWith(`${breaks} `));
          const results = await Promise.allSettled(broken.map((law) => runLaw(law, open)));
          const failures = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
          // A mutant that merely crashes has not shown that the law looks at anything.
          const crash = failures.find((error) => error instanceof TypeError || error instanceof ReferenceError);
          if (crash !== undefined) throw crash;
          if (failures.length === 0) throw new Error(`no law noticed: ${title}`);
        },
        timeoutMs,
      );
    }
  });
}

async function runLaw<Fixture extends AsyncDisposable>(law: Law<Fixture>, open: () => Promise<Fixture>): Promise<void> {
  await using fixture = await open();
  await law.run(fixture);
}
