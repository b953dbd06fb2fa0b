import { connect } from "node:net";
import type { BlockUrls } from "@weft/blocks";
import { environmentName, type Secret, WeftError } from "@weft/kit";

/** How long a server may take to accept a connection, in milliseconds. */
const connectTimeoutMs = 3000;

/** Where each kind of server listens when its URL names no port. */
const usualPorts: Readonly<Record<string, number>> = {
  consul: 8500,
  elasticsearch: 9200,
  kafka: 9092,
  postgres: 5432,
  postgresql: 5432,
  redis: 6379,
};

/** What a URL leads to. */
export interface Target {
  readonly scheme: string;
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
}

/**
 * Resolves when something listens at each server that the blocks use. `UNAVAILABLE` after 3 s, with all that are away
 * and what to do: better than processes that start again and again.
 */
export async function checkServers(urls: BlockUrls): Promise<void> {
  const blocks = Object.entries(urls) as [keyof BlockUrls, string | Secret][]; // By its type.
  const checked = await Promise.all(
    blocks.map(async ([block, url]) => {
      const target = targetOf(typeof url === "string" ? url : url.reveal());
      if (target === undefined || (await answers(target))) return undefined;
      const places = target.hosts.map(({ host, port }) => `${host}:${port}`).join(", ");
      return { place: `${target.scheme} at ${places}`, variable: environmentName(block) };
    }),
  );
  const away = checked.filter((one) => one !== undefined);
  if (away.length === 0) return;
  const places = [...new Set(away.map(({ place }) => place))].join("; ");
  const variables = away.map(({ variable }) => variable).join(", ");
  const message = `nothing answers: ${places}\nstart the servers with \`npx weft stack up\`, or set ${variables}`;
  throw new WeftError("UNAVAILABLE", message);
}

/** Where a block's URL leads; undefined for a block that uses no server. */
export function targetOf(url: string): Target | undefined {
  const match = /^([a-z]+):\/\/(?:[^@/?#]*@)?([^@/?#]+)/.exec(url);
  const [, scheme = "", hosts = ""] = match ?? [];
  const usual = usualPorts[scheme];
  if (usual === undefined) return undefined;
  return {
    scheme,
    hosts: hosts.split(",").map((text) => {
      const [, host = text, port] = /^(.*?)(?::(\d+))?$/.exec(text) ?? [];
      return { host: host.replace(/^\[|\]$/g, ""), port: Number(port ?? usual) };
    }),
  };
}

/** Whether something listens there; one of its hosts is enough. */
export async function answers({ hosts }: Target): Promise<boolean> {
  return Promise.any(hosts.map(accepts)).then(
    () => true,
    () => false,
  );
}

function accepts({ host, port }: { readonly host: string; readonly port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: connectTimeoutMs });
    const away = () => {
      socket.destroy();
      reject(new Error("away"));
    };
    socket.once("connect", () => {
      socket.destroy();
      resolve();
    });
    socket.once("timeout", away);
    socket.once("error", away);
  });
}
