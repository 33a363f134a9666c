/** The app's side of contexts and sequences in an engine's process. */
import type { Capacity, Classifier } from "../engine.js";
import { codeOf, LlamaEtsError } from "../errors.js";
import type { Sampling } from "../sampling.js";
import type {
  Continuation,
  Expansion,
  Followed,
  GenerateRequest,
  KeptPrompts,
  Scores,
  Sequence,
  Sequences,
  SequencesStatus,
  TokenMetric,
} from "../sequences.js";
import type { EngineLink, Remote } from "./engine-link.js";
import { MODEL, type Shown } from "./protocol.js";
import type { Ref } from "./wire.js";

/** Waits for a disposal. It ignores the error if the object is gone already, with its process or context. */
export async function ignoreGone(disposal: Promise<unknown>): Promise<void> {
  try {
    await disposal;
  } catch (error) {
    if (!["ERR_ENGINE_CRASHED", "ERR_RPC_SERVER", "ERR_DISPOSED"].includes(codeOf(error) ?? ""))
      throw error;
  }
}

/** The app's side of a leased context. */
export class IsolatedSequences implements Sequences {
  readonly batchTokens: number;
  readonly outputs: number;
  readonly rewind: "any" | "tip";
  readonly remote: Remote;
  readonly #link: EngineLink;
  readonly #dropped: FinalizationRegistry<Remote>;
  #progress = 0;
  #drawn: number[] = [];
  #running = 0;
  #isWatched = false;
  #calls = 0;
  /** The last known status; undefined once a call may have changed it. */
  #status: SequencesStatus | undefined;

  constructor(link: EngineLink, process: number, leased: unknown) {
    const { ref, batchTokens, outputs, rewind, status } = leased as {
      ref: Ref;
      batchTokens: number;
      outputs: number;
      rewind: "any" | "tip";
      status: SequencesStatus;
    };
    this.#status = status;
    this.#link = link;
    this.remote = { ref, process };
    this.batchTokens = batchTokens;
    this.outputs = outputs;
    this.rewind = rewind;
    this.#dropped = new FinalizationRegistry((sequence) => this.drop(sequence));
  }

  create(): Promise<IsolatedSequence> {
    return this.#call<IsolatedSequence>("create");
  }

  get prompts(): KeptPrompts {
    return {
      recall: (prompt) => this.#call("recall", prompt),
      keep: (sequence, prompt) => this.#call("keep", sequence, prompt),
    };
  }

  prefill(requests: readonly { sequence: Sequence; tokens: Int32Array }[]): Promise<void> {
    return this.#call("prefill", requests);
  }

  async generate(request: GenerateRequest): Promise<Continuation[]> {
    this.#progress = 0;
    this.#drawn = [];
    this.#running += 1;
    try {
      return await this.#call("generate", request);
    } finally {
      this.#running -= 1;
    }
  }

  score(
    requests: readonly { parent: Sequence; tokens: Int32Array }[],
    sampling: Sampling,
    metrics: readonly TokenMetric[] = [],
  ): Promise<Scores[]> {
    return this.#call("score", requests, sampling, metrics);
  }

  follow(
    requests: readonly { parent: Sequence; tokens: Int32Array; keep: boolean }[],
    sampling: Sampling,
    metrics: readonly TokenMetric[] = [],
  ): Promise<Followed[]> {
    return this.#call("follow", requests, sampling, metrics);
  }

  expand(
    requests: readonly { parent: Sequence; token: number | null }[],
    count: number,
    sampling: Sampling,
  ): Promise<Expansion[]> {
    return this.#call("expand", requests, count, sampling);
  }

  async status(): Promise<SequencesStatus> {
    if (this.#status !== undefined) return { ...this.#status };
    const calls = this.#calls;
    const status = await this.#call<SequencesStatus>("status");
    if (this.#calls === calls + 1) this.#status = status;
    return { ...status };
  }

  /** Up to 50 ms old while `generate` runs. */
  get progress(): number {
    this.#watch();
    return this.#progress;
  }

  /** Up to 50 ms old while `generate` runs. */
  drawn(from: number): Int32Array {
    this.#watch();
    return Int32Array.from(this.#drawn.slice(from));
  }

  abort(): void {
    this.#link.tell(this.remote, "abort");
  }

  /** Frees a sequence. The message precedes all later calls. */
  drop(sequence: Remote): void {
    this.#status = undefined;
    this.#link.tell(sequence, "dispose");
  }

  release(): Promise<void> {
    this.#link.forget(this.remote);
    // Address the process that has the context: a later process doesn't know it.
    const model = { ref: MODEL, process: this.remote.process };
    return ignoreGone(this.callOf(model, "release", [this.remote.ref]));
  }

  /** Requests progress reports from the engine's process. It sends none before the first read. */
  #watch(): void {
    if (this.#isWatched || this.#running === 0) return;
    this.#isWatched = true;
    this.#link.tell(this.remote, "watch");
  }

  /** A call of the context, or of one of its sequences. */
  async callOf<T>(remote: Remote, method: string, args: readonly unknown[]): Promise<T> {
    this.#calls += 1;
    this.#status = undefined;
    const watch =
      method === "generate"
        ? ({ progress, drawn = new Int32Array() }: Shown) => {
            this.#progress = progress;
            this.#drawn.push(...drawn);
          }
        : undefined;
    const objectOf = (ref: Ref) => this.#own(ref);
    return (await this.#link.call(remote, method, args, { watch, refOf, objectOf })) as T;
  }

  #call<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    return this.callOf(this.remote, method, args);
  }

  #own(ref: Ref): IsolatedSequence {
    const remote = { ref, process: this.remote.process };
    const sequence = new IsolatedSequence(this, remote, this.#dropped);
    this.#dropped.register(sequence, remote, sequence);
    return sequence;
  }
}

/** The reference of a sequence; undefined for other objects. Throws `ERR_DISPOSED`. */
function refOf(value: object): Ref | undefined {
  return value instanceof IsolatedSequence ? value.remote.ref : undefined;
}

class IsolatedSequence implements Sequence {
  readonly #context: IsolatedSequences;
  readonly #remote: Remote;
  readonly #dropped: FinalizationRegistry<Remote>;
  #disposed = false;

  constructor(context: IsolatedSequences, remote: Remote, dropped: FinalizationRegistry<Remote>) {
    this.#context = context;
    this.#remote = remote;
    this.#dropped = dropped;
  }

  get remote(): Remote {
    if (this.#disposed) throw new LlamaEtsError("ERR_DISPOSED", "The sequence was disposed");
    return this.#remote;
  }

  async prefill(tokens: Int32Array): Promise<void> {
    return this.#context.callOf(this.remote, "prefill", [tokens]);
  }

  async fork(): Promise<Sequence> {
    return this.#context.callOf<Sequence>(this.remote, "fork", []);
  }

  async truncate(length: number): Promise<void> {
    return this.#context.callOf(this.remote, "truncate", [length]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#dropped.unregister(this);
    this.#context.drop(this.#remote);
  }
}

/** The app's side of a classifier. */
export class IsolatedClassifier implements Classifier {
  readonly size: Readonly<Capacity>;
  readonly #link: EngineLink;
  readonly #remote: Remote;
  #closing: Promise<void> | undefined;

  constructor(link: EngineLink, remote: Remote, size: Capacity) {
    this.#link = link;
    this.#remote = remote;
    this.size = size;
  }

  classify(prefix: Int32Array, texts: readonly Int32Array[]): Promise<Float64Array[]> {
    return this.#link.call(this.#remote, "classify", [prefix, texts]) as Promise<Float64Array[]>;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= ignoreGone(this.#link.call(this.#remote, "dispose"));
    return this.#closing;
  }
}
