import { ManualClock } from "@weft/kit";
import type { ChangeResult, DocumentChange } from "@weft/search";
import { openPipeline, type Pipeline, type PipelineOptions } from "./index.ts";

/** A call of an engine. */
export interface Call {
  readonly changes: readonly DocumentChange[];
  /** On the manual clock, in milliseconds. */
  readonly at: number;
}

export interface TestPipeline {
  readonly pipeline: Pipeline;
  readonly clock: ManualClock;
  readonly calls: readonly Call[];
}

/** A pipeline on a clock that stands still, into an engine that answers as it is told; by default it takes everything. */
export function testPipeline(
  options: Partial<PipelineOptions> = {},
  apply: (changes: readonly DocumentChange[]) => Promise<readonly ChangeResult[]> = async (changes) =>
    changes.map(() => ({ outcome: "applied" })),
): TestPipeline {
  const clock = new ManualClock();
  const calls: Call[] = [];
  const engine = {
    apply: (_: string, changes: readonly DocumentChange[]) => {
      calls.push({ changes, at: clock.monotonic() });
      return apply(changes);
    },
  };
  const pipeline = openPipeline({ engine, index: "things", clock, random: () => 0.5, ...options });
  return { pipeline, clock, calls };
}

export function put(id: string, version?: bigint): DocumentChange {
  return { kind: "put", id, document: { id }, ...(version !== undefined && { version }) };
}

/** Lets everything that is ready run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
