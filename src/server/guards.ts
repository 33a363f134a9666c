/** Checks who may send requests: keys, hosts and origins. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { ApiError } from "./errors.js";

const LOOPBACK = ["localhost", "127.0.0.1", "::1"];

export function isLoopback(host: string): boolean {
  return LOOPBACK.includes(host.replace(/^\[|\]$/g, "").toLowerCase());
}

function hashed(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/**
 * Refuses requests without the key. The comparison takes constant time, so that its duration reveals nothing
 * about the key.
 */
export function requireKey(key: string): MiddlewareHandler {
  const expected = hashed(key);
  return async (c, next) => {
    const [, given = ""] = /^Bearer (.+)$/i.exec(c.req.header("authorization") ?? "") ?? [];
    if (!timingSafeEqual(hashed(given), expected)) {
      throw new ApiError(
        401,
        "invalid_api_key",
        "Expected the server's key in `Authorization: Bearer …`",
      );
    }
    await next();
  };
}

/**
 * Refuses host names that a page of another site may use for this machine (DNS rebinding). It is used if the
 * server listens only on this machine.
 */
export function requireLocalHost(): MiddlewareHandler {
  return async (c, next) => {
    const host = (c.req.header("host") ?? "").replace(/:\d+$/, "");
    if (!isLoopback(host)) {
      throw new ApiError(
        403,
        "host_not_allowed",
        `Expected the Host localhost or 127.0.0.1, got ${JSON.stringify(host.slice(0, 100))}`,
      );
    }
    await next();
  };
}

/** Refuses pages of origins that are not allowed. Programs send no origin. */
export function requireOrigin(allowed: readonly string[]): MiddlewareHandler {
  return async (c, next) => {
    const origin = c.req.header("origin");
    const isOwn = origin === undefined || origin === ownOrigin(c.req.url, c.req.header("host"));
    if (!isOwn && !allowed.includes(origin) && !allowed.includes("*")) {
      throw new ApiError(
        403,
        "origin_not_allowed",
        "Pages of this origin may not ask; `--cors` allows one",
      );
    }
    await next();
  };
}

function ownOrigin(url: string, host: string | undefined): string {
  return `${new URL(url).protocol}//${host ?? ""}`;
}
