import { randomInt } from "node:crypto";
import {
  checkKey,
  type ConfigurationItem,
  type ConfigurationStore,
  type ConfigurationUpdate,
  sameUpdate,
} from "@weft/configuration";
import { type Blocking, type Consul, type KvEntry, newest, openConsul, readKv, transact, watch } from "@weft/consul";
import { type Clock, type Log, type Secret, WeftError } from "@weft/kit";

export interface ConsulConfigurationOptions {
  /** `consul://[:token@]host[:port][?namespace=weft&tls=true&dc=…]`; `dc` is another datacentre than the agent's. */
  readonly url: Secret;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Default: silent. */
  readonly log?: Log;
  /** How long to wait for a Consul that is not there yet, in milliseconds. Default 10,000. */
  readonly openTimeoutMs?: number;
}

/**
 * Settings in Consul's key/value store: the setting `a` of the namespace `weft` is the key `weft/config/a`, for people and
 * for `consul kv put` too. A value may have about 380 KB (Consul's limit of 512 KiB, in base64).
 *
 * Reads and watches take the whole folder and pick from it: settings are few and small, and so a watch of many keys is one
 * query. With ACLs the token needs `key_prefix "weft/config/" { policy = "write" }`, or `"read"` for those who never set.
 *
 * `UNAVAILABLE` when Consul can't be reached, `PERMISSION_DENIED` when the token may not read the folder.
 */
export async function openConsulConfiguration(options: ConsulConfigurationOptions): Promise<ConfigurationStore> {
  // Of one key, because a folder that may not be read looks like an empty one.
  const probe = (consul: Consul): Promise<unknown> => readKv(consul, [...folderOf(consul), "-"]);
  return new ConsulConfiguration(await openConsul({ ...options, parameters: ["dc"], probe }));
}

type Items = ReadonlyMap<string, ConfigurationItem>;

const folderOf = ({ namespace }: Consul): readonly string[] => [namespace, "config"];

class ConsulConfiguration implements ConfigurationStore {
  readonly #consul: Consul;
  /** What every key of ours begins with. */
  readonly #prefix: string;
  /** Under `/v1/kv`. */
  readonly #path: readonly string[];
  readonly #closed = new AbortController();

  constructor(consul: Consul) {
    this.#consul = consul;
    this.#path = [...folderOf(consul), ""];
    this.#prefix = this.#path.join("/");
  }

  async get(keys: readonly string[]): Promise<Items> {
    const { entries } = await readKv(this.#consul, this.#path);
    return this.#pick(entries, keys);
  }

  async set(key: string, value: string | undefined): Promise<void> {
    checkKey(key);
    if (!key.isWellFormed()) throw new WeftError("INVALID_ARGUMENT", "a setting's key is well-formed Unicode");
    const name = this.#prefix + key;
    // Consul passes over a write that changes nothing; other flags make it one that does (C4).
    const flags = randomInt(2 ** 47);
    const operation =
      value === undefined ? { verb: "delete" as const, key: name } : { verb: "set" as const, key: name, value, flags };
    await transact(this.#consul, [operation]);
  }

  async *watch(keys: readonly string[], signal: AbortSignal): AsyncGenerator<ConfigurationUpdate, void, undefined> {
    const consul = this.#consul;
    const look = (blocking: Blocking | undefined, ended: AbortSignal) =>
      readKv(consul, this.#path, { blocking, signal: ended });
    yield* newest((ended) => watch({ look, signal: ended, clock: consul.clock }), {
      view: (sighting, before: ConfigurationUpdate | undefined): ConfigurationUpdate =>
        sighting.stale
          ? { items: before?.items ?? new Map(), stale: true }
          : { items: this.#pick(sighting.answer.entries, keys), stale: false },
      equal: sameUpdate,
      signal: AbortSignal.any([signal, this.#closed.signal]),
      log: consul.log,
      what: "settings",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    this.#consul[Symbol.dispose]();
  }

  #pick(entries: readonly KvEntry[], keys: readonly string[]): Items {
    const items = new Map<string, ConfigurationItem>();
    for (const { key, value, modifyIndex, flags } of entries) {
      const name = key.slice(this.#prefix.length);
      // The folder itself is a key too where the web page made it.
      if (name === "" || (keys.length > 0 && !keys.includes(name))) continue;
      // Flags beside the index, which may come again on a server that lost its data.
      items.set(name, { value, version: `${modifyIndex}.${flags}` });
    }
    return items;
  }
}
