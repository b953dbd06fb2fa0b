import { randomBytes } from "node:crypto";
import { type Clock, Secret, systemClock } from "@weft/kit";
import { startProcess, within } from "@weft/kit/testing";
import { describeBackend } from "@weft/native/testing";
import { encodeDefinition, type SearchEngine } from "@weft/search";
import { shop } from "@weft/search/conformance";
import { expect, test } from "vitest";
import { openElasticsearch } from "./index.ts";

/** A load says every 20 s that it is alive: on this clock after half a second. */
const quick: Clock = {
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(ms === 20_000 ? 500 : ms, signal),
};
/** Beyond the time that a load is taken to be alive. */
const later: Clock = { ...systemClock, now: () => systemClock.now() + 300_000 };

interface Place extends AsyncDisposable {
  readonly url: string;
  open(clock?: Clock): Promise<SearchEngine>;
  /** The settings in question, of the only index. */
  settings(): Promise<Readonly<Record<string, string | undefined>>>;
  set(settings: Readonly<Record<string, string>>): Promise<void>;
  /** Notes of loads. */
  notes(): Promise<number>;
}

const relaxed = { refresh: "-1", replicas: "0", expand: "false" };
const unrelaxed = { refresh: "7s", expand: "0-1" };

async function openPlace(port: number): Promise<Place> {
  await using stack = new AsyncDisposableStack();
  const namespace = `t${randomBytes(6).toString("hex")}`;
  const url = `elasticsearch://127.0.0.1:${port}?namespace=${namespace}`;
  const ask = async (method: string, path: string, body?: object): Promise<unknown> => {
    const headers = { "content-type": "application/json" };
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    return (await fetch(`http://127.0.0.1:${port}/${namespace}.${path}`, { method, headers, ...sent })).json();
  };
  stack.defer(async () => {
    for (const path of [`${shop.index}.v1`, "_loads"]) await ask("DELETE", path);
    await fetch(`http://127.0.0.1:${port}/_index_template/${namespace}`, { method: "DELETE" });
  });
  const open = async (clock: Clock = systemClock): Promise<SearchEngine> =>
    kept.use(await openElasticsearch({ url: new Secret(url), clock }));
  const kept = stack.move();
  await (await open()).createIndex(shop);
  await ask("PUT", `${shop.index}.v1/_settings`, { "index.refresh_interval": "7s" });
  return {
    url,
    open,
    settings: async () => {
      const found = (await ask("GET", `${shop.index}.v1/_settings?flat_settings=true`)) as Settings;
      const settings = found[`${namespace}.${shop.index}.v1`]?.settings;
      return {
        refresh: settings?.["index.refresh_interval"],
        replicas: settings?.["index.number_of_replicas"],
        expand: settings?.["index.auto_expand_replicas"],
      };
    },
    set: async (settings) => void (await ask("PUT", `${shop.index}.v1/_settings`, settings)),
    notes: async () => ((await ask("GET", "_loads/_count")) as { readonly count?: number }).count ?? 0,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

type Settings = Readonly<Record<string, { readonly settings?: Readonly<Record<string, string>> }>>;

async function begin(engine: SearchEngine): Promise<AsyncDisposable> {
  const load = await engine.bulkLoad?.(shop.index);
  if (load === undefined) throw new Error("the engine has no bulk loads");
  return load;
}

describeBackend("elasticsearch", (server) => {
  test("while a bulk load is under way its index has no replicas and refreshes only for those who read", async () => {
    await using place = await openPlace(server().port);
    const engine = await place.open();
    await using load = await begin(engine);
    expect(await place.settings()).toEqual(relaxed);
    await engine.apply(shop.index, [{ kind: "put", id: "1", document: { id: "1", name: "teapot" } }]);
    const reader = await place.open();
    expect((await reader.search(shop.index, { text: "teapot", pageSize: 1 })).totalHits).toBe(1);
    await load[Symbol.asyncDispose]();
    await load[Symbol.asyncDispose]();
    expect(await place.settings()).toMatchObject(unrelaxed);
    expect(await place.notes()).toBe(0);
  });

  test("the last of several loads restores what was there before the first", async () => {
    await using place = await openPlace(server().port);
    const engines = [await place.open(), await place.open(), await place.open()];
    const loads = await Promise.all(engines.map(begin));
    const last = loads.pop();
    await Promise.all(loads.map((load) => load[Symbol.asyncDispose]()));
    expect(await place.settings()).toEqual(relaxed);
    await last?.[Symbol.asyncDispose]();
    expect(await place.settings()).toMatchObject(unrelaxed);
    expect(await place.notes()).toBe(0);
  });

  test("an index with documents keeps its replicas, and one with its own number gets them back", async () => {
    await using place = await openPlace(server().port);
    const engine = await place.open();
    await place.set({ "index.auto_expand_replicas": "false", "index.number_of_replicas": "2" });
    await (await begin(engine))[Symbol.asyncDispose]();
    expect(await place.settings()).toEqual({ refresh: "7s", replicas: "2", expand: "false" });
    await engine.apply(shop.index, [{ kind: "put", id: "1", document: { id: "1" } }]);
    await using _ = await begin(engine);
    expect(await place.settings()).toEqual({ refresh: "-1", replicas: "2", expand: "false" });
  });

  test("what a process relaxed that was killed is restored by another, and not before its time", async () => {
    await using place = await openPlace(server().port);
    const child = await startProcess(`
      import { Secret } from "@weft/kit";
      import { decodeDefinition } from "@weft/search";
      import { openElasticsearch } from "@weft/search-elasticsearch";
      const engine = await openElasticsearch({ url: new Secret(${JSON.stringify(place.url)}) });
      await engine.bulkLoad(decodeDefinition(${JSON.stringify(encodeDefinition(shop))}).index);
    `);
    await child.kill();
    expect(await place.settings()).toEqual(relaxed);
    // One that lives takes nothing for its own from the one that died.
    const engine = await place.open();
    await (await begin(engine))[Symbol.asyncDispose]();
    expect(await place.settings()).toEqual(relaxed);
    await place.open(later);
    await within(20_000, "the settings are restored", async () => (await place.settings())["refresh"] === "7s");
    expect(await place.settings()).toMatchObject(unrelaxed);
    await within(20_000, "the note is gone", async () => (await place.notes()) === 0);
  });

  test("a load that goes on relaxes again what was put back before its end", async () => {
    await using place = await openPlace(server().port);
    await using load = await begin(await place.open(quick));
    await place.set({ "index.refresh_interval": "3s" });
    await within(20_000, "it is relaxed again", async () => (await place.settings())["refresh"] === "-1");
    await load[Symbol.asyncDispose]();
    expect(await place.settings()).toMatchObject(unrelaxed);
  });

  test("a load outlives its index", async () => {
    await using place = await openPlace(server().port);
    const engine = await place.open();
    const load = await begin(engine);
    await engine.deleteIndex(shop.index);
    await load[Symbol.asyncDispose]();
    expect(await place.notes()).toBe(0);
    await expect(begin(engine)).rejects.toMatchObject({ reason: "NOT_FOUND" });
    expect((await engine.listIndexes()).map(({ definition }) => definition.index)).toEqual([]);
  });
});
