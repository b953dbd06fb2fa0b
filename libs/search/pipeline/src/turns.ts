import type { DocumentChange } from "@weft/search";

interface Place<Item> {
  /** Those that may be sent or are under way. */
  inside: number;
  /** Of those, the ones without a version: one at most, and alone. */
  unversioned: number;
  readonly waiting: Item[];
}

/**
 * Lets changes of one document in by turns: in the order in which they came, and one after the other. Only changes with
 * versions go side by side, since these say themselves which is the newest.
 */
export class Turns<Item extends { readonly change: DocumentChange }> {
  readonly #places = new Map<string, Place<Item>>();

  /** Whether its turn has come. Otherwise it is given by a later {@link leave}. */
  enter(item: Item): boolean {
    const { id } = item.change;
    let place = this.#places.get(id);
    if (place === undefined) this.#places.set(id, (place = { inside: 0, unversioned: 0, waiting: [] }));
    if (place.waiting.length === 0 && mayEnter(place, item)) {
      enterPlace(place, item);
      return true;
    }
    place.waiting.push(item);
    return false;
  }

  /** Those whose turn has come because this one is done with. It may still wait itself. */
  leave(item: Item): readonly Item[] {
    const { id, version } = item.change;
    const place = this.#places.get(id);
    if (place === undefined) return [];
    const at = place.waiting.indexOf(item);
    if (at !== -1) {
      place.waiting.splice(at, 1);
      return [];
    }
    place.inside -= 1;
    if (version === undefined) place.unversioned -= 1;
    const next: Item[] = [];
    for (let [first] = place.waiting; first !== undefined && mayEnter(place, first); [first] = place.waiting) {
      place.waiting.shift();
      enterPlace(place, first);
      next.push(first);
    }
    if (place.inside === 0) this.#places.delete(id);
    return next;
  }
}

function mayEnter<Item extends { readonly change: DocumentChange }>(place: Place<Item>, { change }: Item): boolean {
  return place.inside === 0 || (change.version !== undefined && place.unversioned === 0);
}

function enterPlace<Item extends { readonly change: DocumentChange }>(place: Place<Item>, { change }: Item): void {
  place.inside += 1;
  if (change.version === undefined) place.unversioned += 1;
}
