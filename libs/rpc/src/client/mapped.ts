/**
 * Items, each changed on its way. No generator, since that could not be returned while its source waits for something:
 * here the source is told at once.
 */
export function mapped<Item, Changed>(
  items: AsyncIterable<Item>,
  change: (item: Item) => Changed,
): AsyncIterable<Changed> {
  return {
    [Symbol.asyncIterator]: () => {
      const source = items[Symbol.asyncIterator]();
      return {
        next: async () => {
          const { done, value } = await source.next();
          return done === true ? { done, value: undefined } : { done: false, value: change(value) };
        },
        return: async () => {
          await source.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}
