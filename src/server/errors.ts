/** Converts errors to the form of OpenAI's API. */
import { codeOf, messageOf } from "../engine/errors.js";

/** The HTTP statuses of refused requests. */
export type ErrorStatus =
  | 400
  | 401
  | 403
  | 404
  | 405
  | 408
  | 413
  | 415
  | 429
  | 500
  | 502
  | 503
  | 504;

const TYPES: Record<ErrorStatus, string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "invalid_request_error",
  405: "invalid_request_error",
  408: "timeout_error",
  413: "invalid_request_error",
  415: "invalid_request_error",
  429: "rate_limit_error",
  500: "server_error",
  502: "server_error",
  503: "server_error",
  504: "timeout_error",
};

/** The seconds after which a client may try again. */
export const RETRY_AFTER = 1;

interface ApiErrorOptions {
  param?: string | null;
  retryAfter?: number;
  cause?: unknown;
}

/** The answer to a request that can't be served. */
export class ApiError extends Error {
  readonly status: ErrorStatus;
  readonly code: string;
  /** The wrong field of the request; null if no field is wrong. */
  readonly param: string | null;
  /** Seconds after which a retry may succeed. */
  readonly retryAfter: number | undefined;

  constructor(
    status: ErrorStatus,
    code: string,
    message: string,
    { param = null, retryAfter, cause }: ApiErrorOptions = {},
  ) {
    super(message, { cause });
    this.status = status;
    this.code = code;
    this.param = param;
    this.retryAfter = retryAfter;
  }

  get body() {
    const { message, status, param, code } = this;
    return { error: { message, type: TYPES[status], param, code } };
  }
}

/** Returns the error of a wrong field. */
export function invalid(param: string, message: string, code = "invalid_value"): ApiError {
  return new ApiError(400, code, message, { param });
}

/** The statuses of the library's errors. All other errors have status 500. */
const OF_REQUESTS: Record<string, ErrorStatus> = {
  ERR_INVALID_OPTION: 400,
  ERR_CONSTRAINT: 400,
  ERR_CONSTRAINT_DEAD: 400,
  ERR_CONTEXT_FULL: 400,
  ERR_NO_CHAT_TEMPLATE: 400,
  ERR_UNSUPPORTED_MODEL: 400,
  ERR_OUT_OF_MEMORY: 503,
  ERR_DISPOSED: 503,
  ERR_ENGINE_CRASHED: 503,
  ERR_RPC_SERVER: 503,
  ERR_ENGINE_UNREACHABLE: 502,
  ERR_ENGINE_ANSWER: 502,
};
/** Temporary errors: the engine is started or reached again, so a retry may succeed. */
const PASSING = ["ERR_ENGINE_CRASHED", "ERR_RPC_SERVER", "ERR_ENGINE_UNREACHABLE"];
/**
 * Messages that replace those of errors which contain the engine's last output. Details of the machine stay
 * in the log.
 */
const TOLD: Record<string, string> = {
  ERR_ENGINE_CRASHED: "The engine's process has ended; the next request starts it again",
};

/** The API's codes for the library's codes. */
const CODES: Readonly<Record<string, string>> = {
  ERR_CONTEXT_FULL: "context_length_exceeded",
  ERR_INVALID_OPTION: "invalid_value",
};

/**
 * Converts anything thrown to an error of the API. The message of an unknown error is not shown.
 *
 * @param prompt the request's field with the prompt
 */
export function toApiError(error: unknown, prompt: "messages" | "prompt" = "messages"): ApiError {
  if (error instanceof ApiError) return error;
  const code = codeOf(error);
  const status = code === undefined ? undefined : OF_REQUESTS[code];
  if (code === undefined || !code.startsWith("ERR_") || status === undefined) {
    return new ApiError(500, code ?? "server_error", "The server failed; its log says why");
  }
  const known = CODES[code] ?? code.toLowerCase();
  return new ApiError(status, known, TOLD[code] ?? messageOf(error), {
    param: status === 400 ? paramOf(messageOf(error), prompt) : null,
    ...(PASSING.includes(code) && { retryAfter: RETRY_AFTER }),
    cause: error,
  });
}

/** Returns the option that a message of the library names first. */
function paramOf(message: string, prompt: string): string | null {
  const [, name = null] = /^Expected `([\w.]+)`|^`([\w.]+)`/.exec(message) ?? [];
  return name === "prompt" ? prompt : name;
}
