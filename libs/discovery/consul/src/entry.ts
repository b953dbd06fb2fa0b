import type { Instance } from "@weft/discovery";
import { isJsonObject, type JsonObject, type JsonValue, WeftError } from "@weft/kit";

/** An instance as the catalogue holds it. */
export interface Entry {
  readonly instance: Instance;
  /** Which registration made it: each has another, also of the same service and id. */
  readonly owner: string;
  readonly ttlMs: number;
}

/** What an entry of the catalogue is called. */
export interface EntryNames {
  /** Of the service: `weft-user`. */
  readonly name: string;
  /** Of the entry at its agent. */
  readonly id: string;
  /** Of its check: another one for each registration, so that a former one's beats don't keep a later one alive. */
  readonly check: string;
}

/** How Consul learns whether an instance is well. */
export type Health = "ttl" | "grpc";

/** Consul's limits: characters of a value of a service's `Meta`, and pairs of it less those for people. */
const maxValueBytes = 512;
const maxChunks = 60;
const maxWeight = 65_535;
/** The key of each part of our record is this and its number. */
const chunkKey = "weft-";
/** In milliseconds: Consul calls no check more often. */
const minIntervalMs = 1000;

/** Consul's name of a service: what DNS takes where the service's own name is. */
export function serviceName(namespace: string, service: string): string {
  if (!service.isWellFormed()) throw new WeftError("INVALID_ARGUMENT", "a service's name is well-formed Unicode");
  return `${namespace}-${encodeURIComponent(service)}`;
}

export function entryNames(namespace: string, { instance, owner }: Entry): EntryNames {
  const { service, id } = instance;
  if (!id.isWellFormed()) throw new WeftError("INVALID_ARGUMENT", "an instance's id is well-formed Unicode");
  // Colons, which no part has: one entry for each namespace, service and id.
  const entryId = [namespace, service, id].map(encodeURIComponent).join(":");
  return { name: serviceName(namespace, service), id: entryId, check: `${entryId}:${owner}` };
}

/**
 * What registers an entry (https://developer.hashicorp.com/consul/api-docs/agent/service). `Meta` holds our record, in
 * ASCII and in parts, because Consul allows few characters in its keys and 512 bytes for a value; version, zone and weight
 * stand beside it and in tags, for people, DNS and other tools. `INVALID_ARGUMENT` for more metadata than fits, some 30 KB.
 */
export function toRegistration(namespace: string, entry: Entry, health: Health): JsonObject {
  const { service, id, address, metadata } = entry.instance;
  const { name, id: entryId, check } = entryNames(namespace, entry);
  const record = { namespace, service, id, address, metadata, owner: entry.owner, ttlMs: entry.ttlMs };
  const text = asciiJson(record);
  const chunks = Math.ceil(text.length / maxValueBytes);
  if (chunks > maxChunks) throw new WeftError("INVALID_ARGUMENT", "the instance's metadata is more than Consul holds");
  const parts = Array.from({ length: chunks }, (_, place) => [
    `${chunkKey}${place}`,
    text.slice(place * maxValueBytes, (place + 1) * maxValueBytes),
  ]);
  const facts = (["version", "zone", "weight"] as const).flatMap((key) => {
    const value = metadata[key];
    return value === undefined || Buffer.byteLength(value) > maxValueBytes ? [] : [[key, value]];
  });
  const weight = Number(metadata["weight"]);
  const [host, port] = splitAddress(address);
  return {
    Name: name,
    ID: entryId,
    Tags: facts.map(([key, value]) => `${key}=${value}`),
    Meta: Object.fromEntries([...facts, ...parts]),
    Address: host,
    ...(port !== undefined && { Port: port }),
    ...(Number.isInteger(weight) && weight >= 1 && weight <= maxWeight && { Weights: { Passing: weight, Warning: 1 } }),
    Check: {
      CheckID: check,
      Name: `${service} is alive`,
      // Registered when it serves: it need not wait for its first beat to be listed.
      Status: "passing",
      // The shortest that Consul takes. Until then it is critical, and in nobody's list.
      DeregisterCriticalServiceAfter: "1m",
      ...(health === "ttl"
        ? { TTL: `${Math.ceil(entry.ttlMs)}ms` }
        : grpcCheck(metadata["grpc"] ?? address, entry.ttlMs)),
    },
  };
}

/** Interval and timeout add up to at most the TTL, or 2 s. */
function grpcCheck(address: string, ttlMs: number): JsonObject {
  const intervalMs = Math.ceil(Math.max(ttlMs / 2, minIntervalMs));
  return { GRPC: address, Interval: `${intervalMs}ms`, Timeout: `${intervalMs}ms` };
}

/** The entry in a service of the catalogue or of an agent; undefined for one that is not this namespace's. */
export function toEntry(namespace: string, meta: Readonly<Record<string, string>> | null): Entry | undefined {
  let text = "";
  for (let place = 0; meta?.[`${chunkKey}${place}`] !== undefined; place += 1) text += meta[`${chunkKey}${place}`];
  const record = parse(text);
  if (!isJsonObject(record) || record["namespace"] !== namespace) return undefined;
  const { service, id, address, metadata, owner, ttlMs } = record;
  if (typeof service !== "string" || typeof id !== "string" || typeof address !== "string") return undefined;
  if (typeof owner !== "string" || typeof ttlMs !== "number" || !isStrings(metadata)) return undefined;
  return { instance: { service, id, address, metadata }, owner, ttlMs };
}

function asciiJson(value: JsonValue): string {
  const escape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value).replace(/[\u007f-\uffff]/g, escape);
}

function parse(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

function isStrings(value: JsonValue | undefined): value is Record<string, string> {
  return isJsonObject(value) && Object.values(value).every((each) => typeof each === "string");
}

/** Host and port as Consul keeps them; an address that has none is a host. */
function splitAddress(address: string): [host: string, port: number | undefined] {
  const match = /^(.+):(\d{1,5})$/.exec(address);
  const port = Number(match?.[2]);
  if (match?.[1] === undefined || port > 65_535) return [address, undefined];
  return [match[1].replace(/^\[|\]$/g, ""), port];
}
