/**
 * The engine's process of one model. It runs the engine of `local/`, and answers messages
 * (`protocol.ts`). It exits when its channel closes, so that it never outlives the app.
 */
import { LlamaEtsError } from "../errors.js";
import { loadModel } from "../local/load-model.js";
import { LocalSequence } from "../local/local-sequence.js";
import type { LocalModel } from "../local/model.js";
import type { Sequences } from "../sequences.js";
import {
  type Answered,
  type Asked,
  type Call,
  type FromEngine,
  MODEL,
  type ModelFacts,
  type PackedBytes,
  type PackedEntries,
  packError,
  type Reply,
  type Shown,
} from "./protocol.js";
import { decode, encode, type Ref } from "./wire.js";

/** Any of the engine's objects. Only the app's side has their exact types. */
type Callee = Record<string, (...args: unknown[]) => unknown> & Partial<AsyncDisposable>;

const SHOWN_MS = 50;
const SHOWN_METHODS = ["generate", "denoise", "search"];

const number = Number(process.argv[2]);
const objects = new Map<Ref, { object: object; owner: Ref }>();
/** The objects whose progress the app has asked for. */
const watched = new Set<Ref>();
/** Functions that start the progress timer of a running call, by object. They avoid timers nobody needs. */
const unwatched = new Map<Ref, () => void>();
let lastRef = MODEL;
/** Starts loading the model, with the options of the last `load` call. */
let begin: (() => Promise<LocalModel>) | undefined;
let model: Promise<LocalModel> | undefined;
const loading = new AbortController();

function send(message: FromEngine): void {
  if (process.connected) process.send?.(message);
}

const waiting: Reply[] = [];
function reply(one: Reply): void {
  waiting.push(one);
  if (waiting.length > 1) return;
  setImmediate(() => send({ replies: waiting.splice(0) }));
}

function keep(object: object, owner: Ref): Ref {
  objects.set(++lastRef, { object, owner });
  return lastRef;
}

/** Forgets an object, and the objects that it owns. */
function forget(ref: Ref): void {
  objects.delete(ref);
  watched.delete(ref);
  for (const [inner, { owner }] of objects) if (owner === ref) objects.delete(inner);
}

function find(ref: Ref): Callee {
  const found = objects.get(ref)?.object;
  if (found === undefined) {
    throw new LlamaEtsError("ERR_DISPOSED", "The object was disposed, or its context was");
  }
  return found as Callee;
}

async function load(source: string, options: object): Promise<ModelFacts> {
  begin = () =>
    loadModel(source, {
      ...options,
      signal: loading.signal,
      onProgress: (progress) => send({ told: { progress } }),
      onWarning: (warning) => send({ told: { warning } }),
    }) as Promise<LocalModel>;
  const { path, kind, info, metadata, threads, can, limits } = await loaded();
  return { path, kind, info, metadata, threads, can, limits };
}

/** The model. If loading has failed, the next call tries again: an RPC server may be back. */
function loaded(): Promise<LocalModel> {
  if (begin === undefined) throw new Error("Expected a model to be loaded first");
  if (model === undefined) {
    model = begin();
    model.catch(() => {
      model = undefined;
    });
  }
  return model;
}

/** Tokens whose entries were sent to the app. They are sent again only on request. */
const told = new Set<number>();

function entriesOf(model: LocalModel, tokens: Int32Array): PackedEntries {
  for (const token of tokens) told.add(token);
  const each = Array.from(tokens);
  const bytesOf = (special: boolean): PackedBytes => {
    const pieces = each.map((token) => model.textBytes(Int32Array.of(token), { special }));
    const lengths = Int32Array.from(pieces, (piece) => piece.length);
    return { bytes: new Uint8Array(Buffer.concat(pieces)), lengths };
  };
  return {
    tokens,
    texts: each.map((token) => model.tokenText(token)),
    ends: each.map((token) => model.isEndToken(token)),
    plain: bytesOf(false),
    special: bytesOf(true),
  };
}

/** Entries of drawn tokens that the app doesn't know yet. It needs them to convert the tokens to text. */
async function newEntries({ method }: Asked, value: unknown): Promise<PackedEntries | undefined> {
  if (!SHOWN_METHODS.includes(method)) return undefined;
  const drawn = (value as { tokens: Int32Array }[]).flatMap(({ tokens }) => [...tokens]);
  const unknown = [...new Set(drawn)].filter((token) => !told.has(token));
  return unknown.length === 0 ? undefined : entriesOf(await loaded(), Int32Array.from(unknown));
}

/** Methods of the model that can't simply be called by their names, such as those that return objects. */
const OF_MODEL: Record<string, (model: LocalModel, ...args: never[]) => unknown> = {
  entries: entriesOf,
  describe(model) {
    const description = model.describe();
    return { ...description, engine: { ...description.engine, kind: "isolated" } };
  },
  async lease(model, needs: never) {
    const context = await model.lease(needs);
    const { batchTokens, outputs, rewind } = context;
    const status = await context.status();
    return { ref: keep(context, MODEL), batchTokens, outputs, rewind, status };
  },
  async release(model, ref: Ref) {
    const context = find(ref);
    forget(ref);
    await model.release(context as never);
  },
  async share(model, needs: never) {
    return { ref: keep(await model.share(needs), MODEL) };
  },
  async openDenoiser(model, options: never) {
    const denoiser = await model.openDenoiser(options);
    return { ref: keep(denoiser, MODEL), maskToken: denoiser.maskToken, cache: denoiser.cache };
  },
  async openClassifier(model, size: never) {
    return { ref: keep(await model.openClassifier(size), MODEL) };
  },
};

async function perform({ ref, method, args }: Asked): Promise<unknown> {
  if (method === "load") return load(...(args as [string, object]));
  if (method === "cancel") return loading.abort();
  if (ref === MODEL) {
    const ready = await loaded();
    const own = OF_MODEL[method];
    if (own !== undefined) return own(ready, ...(args as never[]));
    return (ready as unknown as Callee)[method]?.(...args);
  }
  const object = find(ref);
  if (method === "watch") {
    watched.add(ref);
    unwatched.get(ref)?.();
    return undefined;
  }
  if (method === "dispose") {
    forget(ref);
    return object[Symbol.asyncDispose]?.();
  }
  const target = method === "recall" || method === "keep" ? object.prompts : object;
  return (target as unknown as Callee)[method]?.(...args);
}

/** Encodes an answer. Sequences cross as references. The owner of a fork is the context of its sequence. */
function encodeAnswer(answered: Answered, ref: Ref): Uint8Array {
  const owner = objects.get(ref)?.object instanceof LocalSequence ? objects.get(ref)?.owner : ref;
  return encode(answered, (object) =>
    object instanceof LocalSequence ? keep(object, owner ?? MODEL) : undefined,
  );
}

/** @param from the number of tokens of the call's first text that were reported before */
function seenOf({ ref, method }: Asked, from: number): Shown | undefined {
  if (!SHOWN_METHODS.includes(method)) return undefined;
  const object = objects.get(ref)?.object;
  if (object === undefined) return undefined;
  const { progress, shown } = object as Shown;
  if (!watched.has(ref)) return { progress };
  const drawn = method === "generate" ? (object as Sequences).drawn?.(from) : undefined;
  return { progress, ...(shown && { shown }), ...(drawn?.length && { drawn }) };
}

/** Performs a call, and reports its progress if the app watches it. */
async function outcomeOf(asked: Asked): Promise<Answered> {
  let drawn = 0;
  const see = () => {
    const seen = seenOf(asked, drawn);
    drawn += seen?.drawn?.length ?? 0;
    return seen;
  };
  const tell = () => {
    const seen = see();
    if (seen !== undefined) send({ told: { ref: asked.ref, process: number, seen } });
  };
  let timer: NodeJS.Timeout | undefined;
  const begin = () => {
    timer ??= setInterval(tell, SHOWN_MS);
  };
  if (SHOWN_METHODS.includes(asked.method)) {
    if (watched.has(asked.ref)) begin();
    else unwatched.set(asked.ref, begin);
  }
  try {
    const value = await perform(asked);
    const [seen, entries] = [see(), await newEntries(asked, value)];
    return { ...(seen && { seen }), ...(entries && { entries }), value };
  } finally {
    clearInterval(timer);
    if (unwatched.get(asked.ref) === begin) unwatched.delete(asked.ref);
  }
}

async function answer({ id, asked: bytes }: Call): Promise<void> {
  let answered: Uint8Array;
  try {
    const asked = decode(bytes, find) as Asked;
    answered = encodeAnswer(await outcomeOf(asked), asked.ref);
  } catch (error) {
    answered = encode({ error: packError(error) });
  }
  if (id !== null) reply({ id, process: number, answered });
}

process.on("message", (calls: readonly Call[]) => {
  if (calls.length === 0) send({ replies: [] }); // it lives
  for (const call of calls) void answer(call);
});
process.on("disconnect", () => process.exit());
// Ctrl-C reaches every process of a terminal. Ignore it here: the app decides when the engine ends.
for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => {});
