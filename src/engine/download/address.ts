/**
 * Parses a model's URI, and gives the names that its files have in the cache. These are the names of
 * node-llama-cpp's downloader, so that files which it has downloaded are found.
 */
import { LlamaEtsError } from "../errors.js";

/** The address of a file to download. */
export interface FileAddress {
  url: string;
  /** Its name in the cache, without endings such as `-00001-of-00003` and `.gguf`. */
  stem: string;
  /** For a file on the hub, the repository's page, where users accept its license. */
  page?: string;
}

/** A repository of the hub. The hub says which of its files has the quantization. */
export interface RepositoryAddress {
  user: string;
  model: string;
  /** The quantization; "latest" if none is named. */
  tag: string;
  stem: string;
  page: string;
}

export type ModelAddress = FileAddress | RepositoryAddress;

const BRANCH = "main";
const DEFAULT_TAG = "latest";
const DEFAULT_QUANTIZATION = "Q4_K_M";
const QUANTIZATION = /^(UD-)?(I?Q\d|TQ\d|B?F(16|32)|MXFP)/i;
/** The end of a file's name if the file is a part of a split model. */
export const PART = /-(\d{5})-of-(\d{5})\.gguf$/i;

/** The hub's URL, with a slash at its end: Hugging Face, or a mirror from the environment variables. */
export function hubEndpoint(): string {
  const { MODEL_ENDPOINT, HF_ENDPOINT } = process.env;
  const endpoint = [MODEL_ENDPOINT, HF_ENDPOINT].find((url) => /^https?:\/\/./.test(url ?? ""));
  return `${(endpoint ?? "https://huggingface.co").replace(/\/+$/, "")}/`;
}

/** Parses a URI. Throws `ERR_INVALID_OPTION` if it names no repository or file. */
export function parseAddress(source: string): ModelAddress {
  try {
    const uri =
      /^(?:hf|huggingface):(?:\/\/)?(.*)$/.exec(source)?.[1] ?? hubPathOf(new URL(source));
    return uri === undefined ? webAddress(source) : hubAddress(source, uri);
  } catch (error) {
    throw error instanceof LlamaEtsError ? error : invalid(source, error);
  }
}

/** The address of a file in a repository. */
export function addressOf(repository: RepositoryAddress, file: string): FileAddress {
  const { user, model, page } = repository;
  return {
    url: fileUrl(user, model, BRANCH, file.split("/")),
    stem: stemFor(repository, file),
    page,
  };
}

/** The names that a model may have in the cache, in the order of the search. */
export function cachedStems(address: ModelAddress): string[] {
  if (!("tag" in address)) return [address.stem];
  const { stem, tag } = address;
  return tag === DEFAULT_TAG
    ? [`${stem}.${DEFAULT_QUANTIZATION}`, stem]
    : [`${stem}.${tag.toUpperCase()}`];
}

/** The URLs of all parts of a split file; for any other file, its URL alone. */
export function partsOf(url: string): string[] {
  const { pathname } = new URL(url);
  const parts = Number(PART.exec(pathname)?.[2] ?? 0);
  if (parts === 0) return [url];
  return Array.from({ length: parts }, (_, i) => {
    const part = new URL(url);
    part.pathname = pathname.replace(PART, `${partSuffix(i + 1, parts)}.gguf`);
    return part.href;
  });
}

/** The end of a part's name, before `.gguf`; empty for a file that isn't split. */
export function partSuffix(part: number, parts: number): string {
  const digits = (n: number) => String(n).padStart(5, "0");
  return parts > 1 ? `-${digits(part)}-of-${digits(parts)}` : "";
}

export function isLaterPart(name: string): boolean {
  return Number(PART.exec(name)?.[1] ?? 1) > 1;
}

/** The paths of all parts of a split file, from the path of the first; for any other file, its own path. */
export function partFiles(first: string): string[] {
  const [end = "", part, parts] = PART.exec(first) ?? [];
  if (Number(part) !== 1) return [first];
  const stem = first.slice(0, first.length - end.length);
  return Array.from({ length: Number(parts) }, (_, i) => {
    return `${stem}${partSuffix(i + 1, Number(parts))}.gguf`;
  });
}

/** `user/model/…` for the URL of a page or a file on the hub; undefined for any other URL. */
function hubPathOf(url: URL): string | undefined {
  const hub = new URL(hubEndpoint());
  const hosts = hub.host === "huggingface.co" ? [hub.host, "hf.co"] : [hub.host];
  if (!hosts.includes(url.host) || !url.pathname.startsWith(hub.pathname)) return undefined;
  const place = url.pathname.slice(hub.pathname.length).split("/").map(decodeURIComponent);
  const [user, model, kind, branch, ...path] = place;
  if (user && model && !kind) return `${user}/${model}`;
  if (!["resolve", "blob", "raw"].includes(kind ?? "") || path.length === 0) return undefined;
  return `${user}/${model}/${path.join("/")}${branch === BRANCH ? "" : `#${branch}`}`;
}

function hubAddress(source: string, uri: string): ModelAddress {
  const [user = "", model = "", ...rest] = uri.split("/");
  const [name = "", ...tags] = model.split(":");
  const page = `${hubEndpoint()}${user}/${name}`;
  const [file = "", branch = BRANCH] = rest.join("/").split("#");
  const isValid = [user, name, ...rest].every((part) => part !== "." && part !== "..");
  if (user === "" || name === "" || !isValid) throw invalid(source);
  if (file === "") {
    const tag = tags.join(":").trim() || DEFAULT_TAG;
    const base = name.replace(/-gguf$/i, "");
    return {
      user,
      model: name,
      page,
      tag: QUANTIZATION.test(tag) ? tag.toUpperCase() : tag,
      stem: cacheName(user, name, BRANCH, [`${base}.gguf`]),
    };
  }
  const path = file.split("/");
  const url = fileUrl(user, name, branch || BRANCH, path);
  return { url, stem: cacheName(user, name, branch || BRANCH, path), page };
}

function webAddress(source: string): FileAddress {
  const { host, pathname } = new URL(source);
  const path = decodeURIComponent(pathname).slice(1);
  if (path === "") throw invalid(source);
  const name = plain(`${host}_${path.replaceAll("/", "__")}`);
  return { url: source, stem: withoutEnd(name).slice(-200) };
}

function invalid(source: string, cause?: unknown): LlamaEtsError {
  return new LlamaEtsError("ERR_INVALID_OPTION", `\`${source}\` names no model`, {
    fix: "hf:user/repo:Q4_K_M, hf:user/repo/file.gguf or a file's URL",
    cause,
  });
}

function fileUrl(user: string, model: string, branch: string, path: string[]): string {
  const place = [user, model, "resolve", branch, ...path].map(encodeURIComponent);
  return `${hubEndpoint()}${place.join("/")}?download=true`;
}

/** The name in the cache for the file that the hub has chosen for a tag. */
function stemFor(repository: RepositoryAddress, file: string): string {
  const [first = "", plainName] = cachedStems(repository);
  const isDefault = file.toLowerCase().includes(DEFAULT_QUANTIZATION.toLowerCase());
  return plainName === undefined || isDefault ? first : plainName;
}

function cacheName(user: string, model: string, branch: string, path: string[]): string {
  const stem = withoutEnd(path.at(-1) as string);
  const base = model.replace(/-gguf$/i, "");
  const namesModel = base !== model && stem.toLowerCase().startsWith(base.toLowerCase());
  const folders = path.slice(0, -1);
  if (folders.at(-1)?.toLowerCase() === stem.toLowerCase()) folders.pop();
  const prefix = [
    "hf",
    user,
    ...(namesModel && branch === BRANCH ? [] : [model]),
    ...(branch === BRANCH ? [] : [branch]),
    ...(folders.length > 0 ? [folders.join("__")] : []),
  ];
  return plain(`${prefix.join("_")}_${stem}`);
}

function withoutEnd(name: string): string {
  return name.replace(PART, "").replace(/\.gguf$/i, "");
}

/** Replaces the characters that some file systems don't allow in names. */
function plain(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: file systems refuse them
  return name.replace(/[<>:"/\\|?*\u0000-\u001f]/g, "!");
}
