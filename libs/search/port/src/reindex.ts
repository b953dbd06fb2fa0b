import { WeftError } from "@weft/kit";
import { checkDefinition, type IndexDefinition } from "./definition.ts";

export interface ReindexProgress {
  /** Documents dealt with so far. */
  readonly processed: number;
  /** Documents when the reindex began. */
  readonly total: number;
}

export interface ReindexOptions {
  /** Default: the one that the index has. */
  readonly definition?: IndexDefinition;
  /** Called at the beginning, and now and then while documents are copied; the reindex goes on when it has resolved, and ends when it rejects. */
  readonly onProgress?: (progress: ReindexProgress) => void | Promise<void>;
  readonly signal?: AbortSignal;
}

/** The definition that an index is to have. `INVALID_ARGUMENT` when it is of another index, or names documents otherwise. */
export function checkReindex(old: IndexDefinition, definition: IndexDefinition = old): IndexDefinition {
  checkDefinition(definition);
  const refuse = (field: string, description: string): never => {
    throw new WeftError("INVALID_ARGUMENT", `${field} ${description}`, { violations: [{ field, description }] });
  };
  if (definition.index !== old.index) refuse("definition.index", `must be ${old.index}`);
  if (definition.idField !== old.idField) refuse("definition.id_field", `must stay ${old.idField}`);
  return definition;
}

/** Most documents that are named. */
const maxMisfits = 100;

/** Documents that the new definition of an index has no room for. */
export class Misfits {
  readonly #details = new Map<string, string>();

  /** `FAILED_PRECONDITION` when there are so many that looking on makes no sense. */
  add(id: string, detail: string): void {
    this.#details.set(id, detail);
    if (this.#details.size >= maxMisfits) this.#refuse(`${maxMisfits} documents or more do`);
  }

  /** It has been changed or deleted since. */
  delete(id: string): void {
    this.#details.delete(id);
  }

  /** `FAILED_PRECONDITION` if there are any. */
  check(): void {
    const { size } = this.#details;
    if (size > 0) this.#refuse(size === 1 ? "one document does" : `${size} documents do`);
  }

  #refuse(who: string): never {
    const violations = [...this.#details].map(([field, description]) => ({ field, description }));
    const [first] = violations;
    throw new WeftError(
      "FAILED_PRECONDITION",
      `${who} not fit the new definition; the first is ${first?.field}: ${first?.description}`,
      { violations },
    );
  }
}
