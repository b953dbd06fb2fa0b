import { isWeftError, WeftError } from "@weft/kit";
import type { IndexEntry } from "./catalog.ts";
import type { Server } from "./server.ts";

/** A live index: what it goes by, and which it is. */
export type Live = Pick<IndexEntry, "alias" | "target">;

/** An index beside the live one, which nobody searches anew. */
export interface Sibling {
  readonly name: string;
  /** It was the live one. Otherwise it is to be: a reindex fills it, or did so when it died. */
  readonly isReplaced: boolean;
}

type Settings = Readonly<Record<string, { readonly settings?: { readonly "index.blocks.write"?: string } }>>;

/** The indexes beside a live one. That which was live is blocked for writes, and no other ever is. */
export async function siblingsOf(server: Server, { alias, target }: Live): Promise<readonly Sibling[]> {
  const found = await describe(server, `${alias}.*`);
  return Object.entries(found)
    .filter(([name]) => name !== target)
    .map(([name, settings]) => ({ name, isReplaced: hasBlock(settings) }));
}

/**
 * Puts `by` in the place of the live index, at once and only if that is still live and `by` is still there: `NOT_FOUND`
 * otherwise.
 */
export async function replace(server: Server, { alias, target }: Live, by: string): Promise<void> {
  const actions = [{ remove: { index: target, alias, must_exist: true } }, { add: { index: by, alias } }];
  await server.request({ method: "POST", path: "/_aliases", body: { actions }, kind: "once" });
}

/**
 * Removes indexes that were to replace the live one, which ends the work on them: whoever fills one finds it gone, and
 * can't put it in place any more. All at once, and only if the live one still is: `NOT_FOUND` otherwise. So no index that
 * has just been put in place is ever removed.
 */
export async function discard(server: Server, { alias, target }: Live, names: readonly string[]): Promise<void> {
  const actions = [
    { remove: { index: target, alias, must_exist: true } },
    { add: { index: target, alias } },
    ...names.map((index) => ({ remove_index: { index } })),
  ];
  await server.request({ method: "POST", path: "/_aliases", body: { actions }, kind: "once" });
}

/** Refuses writes from now on. When it resolves, every write that was under way has ended. */
export async function block(server: Server, index: string): Promise<void> {
  const path = `/${index}/_block/write`;
  const answer = await server.request<{ readonly shards_acknowledged?: boolean }>({
    method: "PUT",
    path,
    kind: "repeatable",
  });
  if (answer.shards_acknowledged === true) return;
  throw new WeftError("UNAVAILABLE", `writes to ${index} that are under way did not end in time`);
}

/** Ends all work on indexes that were to replace the live one, other than `except`, and lets writes to it through again. */
export async function release(server: Server, live: Live, except?: string): Promise<void> {
  const builds = (await siblingsOf(server, live)).filter(({ name, isReplaced }) => !isReplaced && name !== except);
  await discard(
    server,
    live,
    builds.map(({ name }) => name),
  );
  if (await isBlocked(server, live.target)) await unblock(server, live.target);
}

/** Whether it refuses writes: another process may let them through at any time ({@link release}). */
export async function isBlocked(server: Server, index: string): Promise<boolean> {
  const { [index]: found } = await describe(server, index);
  return hasBlock(found);
}

/** Lets writes through again. */
export async function unblock(server: Server, index: string): Promise<void> {
  const body = { "index.blocks.write": null };
  await server.request({ method: "PUT", path: `/${index}/_settings`, body, kind: "repeatable" });
}

/** Removes indexes, those of them that are there. */
export async function removeIndexes(server: Server, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const query = { ignore_unavailable: true };
  await server.request({ method: "DELETE", path: `/${names.join(",")}`, query, kind: "repeatable" });
}

/** Removes indexes that were replaced and that nobody reads any more; how many are left, none if the live one is it no more. */
export async function removeUnread(server: Server, live: Live): Promise<number> {
  const replaced = (await siblingsOf(server, live)).filter(({ isReplaced }) => isReplaced);
  const reads = await Promise.all(replaced.map(({ name }) => openContexts(server, name)));
  const unread = replaced.filter((_, at) => reads[at] === 0).map(({ name }) => name);
  const left = reads.filter((count) => count !== undefined && count > 0).length;
  if (unread.length === 0) return left;
  try {
    await discard(server, live, unread);
  } catch (error) {
    if (!isWeftError(error, "NOT_FOUND")) throw error;
    return 0;
  }
  return left;
}

/** Undefined when somebody else has removed it meanwhile. */
async function openContexts(server: Server, index: string): Promise<number | undefined> {
  try {
    const { _all } = await server.request<{
      readonly _all?: { readonly total?: { readonly search?: { readonly open_contexts: number } } };
    }>({
      method: "GET",
      path: `/${index}/_stats/search`,
      query: { filter_path: "_all.total.search.open_contexts" },
      kind: "read",
    });
    return _all?.total?.search?.open_contexts ?? 0;
  } catch (error) {
    if (!isWeftError(error, "NOT_FOUND")) throw error;
    return undefined;
  }
}

function describe(server: Server, names: string): Promise<Settings> {
  return server.request({
    method: "GET",
    path: `/${names}`,
    query: { features: "settings", flat_settings: true, ignore_unavailable: true },
    kind: "read",
  });
}

function hasBlock(found: Settings[string] | undefined): boolean {
  return found?.settings?.["index.blocks.write"] === "true";
}
