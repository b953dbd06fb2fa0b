import { setTimeout as sleep } from "node:timers/promises";
import { WeftError } from "@weft/kit";
import {
  checkKey,
  type ConfigurationItem,
  type ConfigurationStore,
  type ConfigurationUpdate,
  sameUpdate,
} from "../index.ts";
import type { ConfigurationFixture } from "./fixture.ts";

const pollMs = 10;

/** The simplest store of settings that keeps the laws, in one process: what mutants are made from. */
export function modelFixture(): ConfigurationFixture {
  const settings: ModelSettings = { items: new Map(), version: 0, reachable: true };
  const opened: ConfigurationStore[] = [];
  return {
    open: async () => {
      const store = new ModelStore(settings);
      opened.push(store);
      return store;
    },
    setElsewhere: (key, value) => new ModelStore(settings).set(key, value),
    cut: async () => {
      settings.reachable = false;
      return { restore: async () => void (settings.reachable = true) };
    },
    [Symbol.asyncDispose]: async () => {
      for (const store of opened) await store[Symbol.asyncDispose]();
    },
  };
}

interface ModelSettings {
  readonly items: Map<string, ConfigurationItem>;
  version: number;
  reachable: boolean;
}

class ModelStore implements ConfigurationStore {
  readonly #settings: ModelSettings;
  readonly #closed = new AbortController();

  constructor(settings: ModelSettings) {
    this.#settings = settings;
  }

  async get(keys: readonly string[]): Promise<ReadonlyMap<string, ConfigurationItem>> {
    if (!this.#settings.reachable) throw new WeftError("UNAVAILABLE", "the store can't be reached");
    return new Map([...this.#settings.items].filter(([key]) => keys.length === 0 || keys.includes(key)));
  }

  async set(key: string, value: string | undefined): Promise<void> {
    checkKey(key);
    const version = String((this.#settings.version += 1));
    if (value === undefined) this.#settings.items.delete(key);
    else this.#settings.items.set(key, { value, version });
  }

  async *watch(keys: readonly string[], signal: AbortSignal): AsyncGenerator<ConfigurationUpdate, void, undefined> {
    const ended = AbortSignal.any([signal, this.#closed.signal]);
    let given: ConfigurationUpdate | undefined;
    while (!ended.aborted) {
      const update: ConfigurationUpdate = this.#settings.reachable
        ? { items: await this.get(keys), stale: false }
        : { items: given?.items ?? new Map(), stale: true };
      if (given === undefined || !sameUpdate(update, given)) yield (given = update);
      await sleep(pollMs);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
  }
}
