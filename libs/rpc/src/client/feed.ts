import type { Discovery, InstanceList } from "@weft/discovery";
import { backoffMs, systemClock } from "@weft/kit";

/** The instances of a service as discovery tells them. While the registry is away the last list stands. */
export class InstanceFeed {
  readonly #stop = new AbortController();
  readonly #watching: Promise<void>;

  /** @param onList told of each list; a stale one is the last good one again */
  constructor(discovery: Pick<Discovery, "watch">, service: string, onList: (list: InstanceList) => void) {
    this.#watching = this.#watch(discovery, service, onList);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }

  async #watch(
    discovery: Pick<Discovery, "watch">,
    service: string,
    onList: (list: InstanceList) => void,
  ): Promise<void> {
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        for await (const list of discovery.watch(service, signal)) {
          failures = 0;
          onList(list);
        }
      } catch {
        // The list stands while the registry is away; the watch is opened again below.
      }
      await systemClock.sleep(backoffMs(failures + 1), signal).catch(() => undefined);
    }
  }
}
