import { lookup as resolve, type LookupAddress } from "node:dns";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { WeftError } from "@weft/kit";
import type { Sender } from "../app/sender.ts";
import type { Notification } from "../domain/notification.ts";
import { isPublicAddress } from "./addresses.ts";

const timeoutMs = 10_000;

export interface WebhookOptions {
  /** Lets calls go to loopback and private addresses. */
  readonly allowPrivate: boolean;
}

/**
 * Posts notifications as JSON to a URL that a person chose, so it must not reach what only we can reach: the address is
 * checked where the connection is made, after the name was resolved, and redirects are not followed.
 */
export function openWebhookSender({ allowPrivate }: WebhookOptions): Sender {
  const lookup = allowPrivate ? resolve : lookupPublic;
  return {
    async send(notification, address) {
      const url = URL.parse(address);
      if (url === null || !/^https?:$/.test(url.protocol)) throw refused("the webhook is not an http or https URL");
      const host = url.hostname.replace(/^\[|\]$/g, "");
      // An address is never looked up.
      if (!allowPrivate && isIP(host) !== 0 && !isPublicAddress(host)) throw refused(privateHost);
      await post(url, notification, lookup);
    },
  };
}

const privateHost = "the webhook is not on the public internet";

function post(url: URL, notification: Notification, lookup: LookupFunction): Promise<void> {
  const { id, userId, type, title, body, createTime } = notification;
  const content = JSON.stringify({ id, userId, type, title, body, createTime: new Date(createTime).toISOString() });
  const headers = {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(content),
    "idempotency-key": id,
  };
  const signal = AbortSignal.timeout(timeoutMs);
  return new Promise((done, fail) => {
    const start = url.protocol === "https:" ? requestHttps : requestHttp;
    const request = start(url, { method: "POST", headers, lookup, signal, agent: false }, (response) => {
      // Only the status matters: how much the other side says is its own affair.
      response.destroy();
      const status = response.statusCode ?? 0;
      if (status >= 200 && status < 300) done();
      else fail(statusError(status));
    });
    request.on("error", (cause) => {
      fail(cause instanceof WeftError ? cause : new WeftError("UNAVAILABLE", "the webhook can't be reached"));
    });
    request.end(content);
  });
}

function statusError(status: number): WeftError {
  const passing = status >= 500 || status === 408 || status === 425 || status === 429;
  return passing
    ? new WeftError("UNAVAILABLE", `the webhook answered ${status}`)
    : refused(`the webhook answered ${status}`);
}

function refused(message: string): WeftError {
  return new WeftError("FAILED_PRECONDITION", message);
}

/** Like `dns.lookup`, but a name with any address inside is refused: which one would be used can't be known. */
const lookupPublic: LookupFunction = (hostname, options, callback) => {
  resolve(hostname, { ...options, all: true }, (error, found) => {
    const addresses: LookupAddress[] = error === null ? found : [];
    const [first] = addresses;
    if (error !== null || first === undefined) return callback(error ?? refused("the webhook has no address"), []);
    if (!addresses.every(({ address }) => isPublicAddress(address))) return callback(refused(privateHost), []);
    if (options.all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};
