import { hash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { type Clock, isWeftError, withTimeout } from "@weft/kit";
import { RecentKeys } from "@weft/resilience";
import { adminRole, type Principal, type TokenVerifier } from "@weft/security";
import { clientAddresses } from "./addresses.ts";
import type { Scope } from "./config.ts";
import { Doubts, type Look, type NoLook } from "./doubts.ts";

/** Whom a call counts for. */
export interface Caller {
  readonly scope: Exclude<Scope, "total">;
  readonly key: string;
}

export interface CallersOptions {
  /** Tells users apart. Without one all count by their address. */
  readonly tokens?: TokenVerifier | undefined;
  readonly clock: Clock;
}

/** What is known of a token: whose it is, undefined for one that is not valid. */
interface Known {
  readonly caller: Caller | undefined;
  /** When it is looked at again. */
  readonly untilMs: number;
}

/** Tokens that are remembered. */
const maxTokens = 10_000;
/** A token that is not used for so long is forgotten, in milliseconds; one that is not valid so long after it was looked at. */
const idleMs = 60_000;
/** Longest header that is remembered as it is, in characters; tokens of the mesh have some hundreds. */
const longestKey = 2048;
/** Tokens that are looked at for the first time, at the same time; the calls of others count by address meanwhile. */
const maxVerifying = 100;
/** How long a call waits to learn whose token it has, in milliseconds. */
const verifyTimeoutMs = 250;
/** What a verifier may take for a token (RFC 7519); nothing else is worth its time. */
const tokenForm = /^Bearer [\w-]+\.[\w-]+\.[\w-]*$/;

/**
 * Finds out whom calls count for. A token is verified once, so nobody is limited under somebody else's name; it goes on
 * naming its user after it expired, as the serving process refuses it then anyway. A call whose token is not valid, or
 * can't be verified now, counts for its client address. Of an address from which too many came that are not valid, no
 * more are looked at for a while, here or by any service: see {@link Doubts}.
 */
export class Callers {
  readonly #tokens: TokenVerifier | undefined;
  readonly #clock: Clock;
  readonly #known = new RecentKeys<Known>({ maxKeys: maxTokens, idleMs });
  readonly #doubts = new Doubts();
  readonly #verifying = new Map<string, Promise<Caller | undefined>>();
  #addressOf = clientAddresses([]);

  constructor({ tokens, clock }: CallersOptions) {
    this.#tokens = tokens;
    this.#clock = clock;
  }

  /** Addresses and networks of proxies whose `X-Forwarded-For` is believed. */
  trust(proxies: readonly string[]): void {
    this.#addressOf = clientAddresses(proxies);
  }

  /** The client address that a call came from, or its network: as it counts. */
  addressOf(request: IncomingMessage): string {
    return this.#addressOf(request);
  }

  /** At once, but for the first call with a token. No look: the call is not to be made. */
  find(request: IncomingMessage, authorization: string | undefined): Caller | NoLook | Promise<Caller> {
    if (authorization === undefined || this.#tokens === undefined) return this.#byAddress(request);
    const nowMs = this.#nowMs();
    const key = keyOf(authorization);
    const known = this.#known.get(key, nowMs);
    const isFresh = known !== undefined && nowMs < known.untilMs;
    if (isFresh && known.caller !== undefined) return known.caller;
    const running = this.#verifying.get(key);
    if (running !== undefined) return running.then((caller) => caller ?? this.#byAddress(request));
    if (!tokenForm.test(authorization)) return this.#byAddress(request);
    const address = this.addressOf(request);
    const look = this.#doubts.look(address, authorization, nowMs);
    if ("retryAfterMs" in look) return look;
    // The service that is called will look at it.
    if (isFresh) return this.#byAddress(request);
    if (this.#verifying.size >= maxVerifying) {
      this.#doubts.unknown(look, nowMs);
      return this.#byAddress(request);
    }
    const verifying = this.#ask(this.#tokens, authorization, { key, look, address });
    this.#verifying.set(key, verifying);
    return verifying.then((caller) => caller ?? this.#byAddress(request));
  }

  #byAddress(request: IncomingMessage): Caller {
    return { scope: "address", key: this.addressOf(request) };
  }

  async #ask(
    tokens: TokenVerifier,
    authorization: string,
    { key, look, address }: { readonly key: string; readonly look: Look; readonly address: string },
  ): Promise<Caller | undefined> {
    try {
      const principal = await withTimeout(async () => tokens.verify(authorization), {
        timeoutMs: verifyTimeoutMs,
        what: "the look at a token",
        clock: this.#clock,
      });
      const caller = this.#remember(key, principal);
      if (caller !== undefined) this.#doubts.good(look, { address, subject: caller.key }, this.#nowMs());
      return caller;
    } catch (error) {
      // It may be good with keys that its verifier gets later; where there are none, nothing is known of it.
      if (isWeftError(error, "UNAUTHENTICATED")) return this.#remember(key, undefined);
      this.#doubts.unknown(look, this.#nowMs());
      return undefined;
    } finally {
      this.#verifying.delete(key);
    }
  }

  #remember(key: string, principal: Principal | undefined): Caller | undefined {
    const caller = principal && callerOf(principal);
    const nowMs = this.#nowMs();
    const untilMs = caller === undefined ? nowMs + idleMs : Number.POSITIVE_INFINITY;
    this.#known.delete(key);
    this.#known.set(key, { caller, untilMs }, nowMs);
    return caller;
  }

  #nowMs(): number {
    return Math.floor(this.#clock.monotonic());
  }
}

/** What a token is remembered by. */
function keyOf(authorization: string): string {
  return authorization.length > longestKey ? hash("sha256", authorization, "base64") : authorization;
}

function callerOf({ subject, roles }: Principal): Caller {
  return { scope: roles.includes(adminRole) ? "admin" : "user", key: subject };
}
