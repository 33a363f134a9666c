/** Reads the address of a server with OpenAI's API and of one of its models: `http://host:8000/v1#model`. */
import { LlamaEtsError } from "../errors.js";

/** The parts of a server's address. */
export interface ServerAddress {
  /** The address as the caller gave it. It contains no secrets. */
  given: string;
  /** The address of the API, without a slash at its end. */
  api: string;
  /** The address before `/v1`. llama-server and vLLM have further endpoints there. */
  root: string;
  /** The model's name; null stands for the only model of the server. */
  model: string | null;
}

const VERSION_PATH = /(?:^|\/)v1\/?$/;

/** Whether a source names a server, not a file on the web. A server's path is empty or ends in `/v1`. */
export function namesServer(source: string): boolean {
  if (!/^https?:\/\//i.test(source) || !URL.canParse(source)) return false;
  const { pathname } = new URL(source);
  return pathname === "/" || VERSION_PATH.test(pathname);
}

/** Throws `ERR_INVALID_OPTION` for an address with a secret, which would get into logs and traces. */
export function readAddress(source: string): ServerAddress {
  const url = new URL(source);
  if (url.username !== "" || url.password !== "" || url.search !== "") {
    const what = url.search === "" ? "a user or a password" : "a query";
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `Expected a server's address without ${what}: addresses are written to logs and traces`,
      { fix: "the key in the environment variable LLAMA_ETS_API_KEY" },
    );
  }
  const path = url.pathname.replace(VERSION_PATH, "").replace(/\/+$/, "");
  const root = url.origin + path;
  const name = url.hash.slice(1);
  return { given: source, api: `${root}/v1`, root, model: name === "" ? null : decoded(name) };
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name; // the name contains a literal percent sign
  }
}
