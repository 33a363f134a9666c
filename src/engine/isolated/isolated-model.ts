/** A model whose engine runs in a process of its own. A crash of that process doesn't end the app. */
import { encodedToScore } from "../chat/constrained-prompt.js";
import type { EncodedPrompt, Prompt, PromptOptions } from "../chat/conversation.js";
import type { DenoiserOptions } from "../denoiser.js";
import { documentText } from "../document-text.js";
import type {
  Abilities,
  Capacity,
  ContextMemory,
  ContextNeeds,
  ContextShape,
  DenoiserSize,
  FreeMemory,
  Limits,
  Model,
  ModelDescription,
  ModelInfo,
  Place,
} from "../engine.js";
import { LlamaEtsError } from "../errors.js";
import type { LoadProgress } from "../load-progress.js";
import { encodePrompt } from "../prompt.js";
import { resolveOnlySampling, type SamplingOptions } from "../sampling.js";
import type { Scores, Sequences } from "../sequences.js";
import { compareTokens, matchTokenizers } from "../tokenizer-match.js";
import type { SpecialToken, Vocabulary } from "../vocabulary.js";
import { EngineLink, type Remote } from "./engine-link.js";
import { IsolatedDenoiser } from "./isolated-denoiser.js";
import { IsolatedClassifier, IsolatedSequences, ignoreGone } from "./isolated-sequences.js";
import { KeptAnswers } from "./kept-answers.js";
import { MirroredVocabulary } from "./mirrored-vocabulary.js";
import type { Holding, ModelFacts, PackedEntries } from "./protocol.js";
import type { Ref } from "./wire.js";

/** Options of `loadModel` that stay in the app's thread. */
interface Listening {
  onProgress?: (progress: LoadProgress) => void;
  onWarning?: (warning: string) => void;
  signal?: AbortSignal;
}

/** A shared context, and its object in the engine's process. */
interface SharedThere {
  needs: ContextNeeds;
  remote: Promise<Remote>;
}

/** @param options checked options of `loadModel` */
export async function loadIsolated(
  source: string,
  { onProgress = () => {}, onWarning = () => {}, signal, ...options }: Listening,
  holding: Holding = {},
): Promise<Model> {
  signal?.throwIfAborted();
  let failure: { error: unknown } | undefined;
  let model: IsolatedModel | undefined;
  const cancel = () => link.tell({ ref: 0, process: null }, "cancel");
  const listeners = {
    onProgress: (progress: LoadProgress) => guard(() => onProgress(progress)),
    onWarning: (warning: string) => guard(() => onWarning(warning)),
    onEntries: (entries: PackedEntries) => model?.learn(entries),
  };
  const link = new EngineLink(source, options, listeners, holding);
  const guard = (report: () => void) => {
    try {
      if (failure === undefined) report();
    } catch (error) {
      failure = { error };
      cancel();
    }
  };
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    const facts = await link.load(source, options);
    if (failure !== undefined) throw failure;
    signal?.throwIfAborted();
    model = new IsolatedModel(link, facts);
    return model;
  } catch (error) {
    await link.close();
    signal?.throwIfAborted();
    throw failure === undefined ? error : (failure as { error: unknown }).error;
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}

class IsolatedModel implements Model {
  readonly path: string;
  readonly kind: "autoregressive" | "diffusion";
  readonly info: Readonly<ModelInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly threads: number;
  readonly can: Readonly<Abilities>;
  readonly limits: Readonly<Limits>;
  readonly #link: EngineLink;
  readonly #vocabulary: MirroredVocabulary;
  readonly #kept = new KeptAnswers();
  readonly #shared = new Set<SharedThere>();
  #specialTokens: readonly SpecialToken[] | undefined;
  #disposing: Promise<void> | undefined;

  constructor(link: EngineLink, facts: ModelFacts) {
    this.#link = link;
    this.path = facts.path;
    this.kind = facts.kind;
    this.info = facts.info;
    this.metadata = facts.metadata;
    this.threads = facts.threads;
    this.can = facts.can;
    this.limits = facts.limits;
    this.#vocabulary = new MirroredVocabulary(facts.info.vocabSize, (tokens) =>
      this.#now("entries", tokens),
    );
  }

  /** Stores entries of tokens that the engine's process has sent unasked. */
  learn(entries: PackedEntries): void {
    this.#vocabulary.learn(entries);
  }

  describe(): ModelDescription {
    return this.#now("describe");
  }

  tokenize(text: string, options: { special?: boolean } = {}): Int32Array {
    return this.#always("tokenize", text, options);
  }

  detokenize(
    tokens: Int32Array,
    { special = false, continues = false }: { special?: boolean; continues?: boolean } = {},
  ): string {
    return continues
      ? this.textBytes(tokens, { special }).toString("utf8")
      : documentText(this, tokens, special);
  }

  textBytes(tokens: Int32Array, { special = false }: { special?: boolean } = {}): Buffer {
    this.#checkAlive();
    return this.#vocabulary.bytes(tokens, special ? "special" : "plain");
  }

  specialTokens(): readonly SpecialToken[] {
    this.#checkAlive();
    this.#specialTokens ??= this.#now<SpecialToken[]>("specialTokens");
    return this.#specialTokens;
  }

  tokenText(token: number): string {
    this.#checkAlive();
    return this.#vocabulary.entry(token).text;
  }

  isEndToken(token: number): boolean {
    this.#checkAlive();
    return this.#vocabulary.entry(token).isEnd;
  }

  firstDifference(other: Vocabulary): number | null {
    return compareTokens(this, other);
  }

  matchTokenizer(proposal: Model): number {
    return matchTokenizers(this, proposal);
  }

  async encodePrompt(prompt: Prompt, options: PromptOptions = {}): Promise<EncodedPrompt> {
    this.#checkAlive();
    return encodePrompt(this, prompt, options);
  }

  async score(
    prompt: Prompt,
    continuations: readonly (Int32Array | readonly number[])[],
    sampling: SamplingOptions = {},
    promptOptions: PromptOptions = {},
  ): Promise<Scores[]> {
    resolveOnlySampling(sampling, this.info.vocabSize);
    const isConstrained = sampling.constraint !== undefined;
    const { tokens, requests } = await encodedToScore(
      this,
      prompt,
      continuations,
      promptOptions,
      isConstrained,
    );
    return (await this.#call("score", tokens, requests, sampling)).value as Scores[];
  }

  checkExtends(): void {
    this.#always("checkExtends");
  }

  memoryOf(shape: ContextShape, place?: Place): ContextMemory {
    return this.#always("memoryOf", shape, place);
  }

  memoryOfDenoiser(options: DenoiserOptions, place?: Place): DenoiserSize {
    return this.#now("memoryOfDenoiser", options, place);
  }

  freeMemory(): FreeMemory {
    return this.#now("freeMemory");
  }

  async lease(needs: ContextNeeds): Promise<Sequences> {
    await this.#shareAgain();
    const { value, process } = await this.#call("lease", needs);
    return new IsolatedSequences(this.#link, process, value);
  }

  async release(sequences: Sequences): Promise<void> {
    await (sequences as IsolatedSequences).release();
  }

  /** Creates a shared context. If the engine's process ends, the next process creates it again. */
  async share(needs: ContextNeeds): Promise<AsyncDisposable> {
    const shared: SharedThere = { needs, remote: this.#shareIn(needs) };
    await shared.remote;
    this.#shared.add(shared);
    return {
      [Symbol.asyncDispose]: async () => {
        this.#shared.delete(shared);
        const remote = await shared.remote.catch(() => null); // a new process failed to create it again
        if (remote !== null) await ignoreGone(this.#link.call(remote, "dispose"));
      },
    };
  }

  async #shareIn(needs: ContextNeeds): Promise<Remote> {
    const { value, process } = await this.#call("share", needs);
    return { ref: (value as { ref: Ref }).ref, process };
  }

  /** Creates the shared contexts of an earlier process again. */
  async #shareAgain(): Promise<void> {
    for (const shared of this.#shared) {
      const known = shared.remote;
      const isThere = await known.then(
        ({ process }) => process === this.#link.process,
        () => false, // creating it has failed, as by the end of the process
      );
      // If several leases wait here together, only the first creates it.
      if (!isThere && shared.remote === known) shared.remote = this.#shareIn(shared.needs);
      await shared.remote;
    }
  }

  async openDenoiser(options: DenoiserOptions): Promise<IsolatedDenoiser> {
    const { value, process } = await this.#call("openDenoiser", options);
    return new IsolatedDenoiser(this.#link, process, value);
  }

  async openClassifier(size: Capacity): Promise<IsolatedClassifier> {
    const { value, process } = await this.#call("openClassifier", size);
    return new IsolatedClassifier(this.#link, { ref: (value as { ref: Ref }).ref, process }, size);
  }

  dispose(): Promise<void> {
    this.#disposing ??= this.#link.close();
    return this.#disposing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #call(method: string, ...args: readonly unknown[]) {
    this.#checkAlive();
    return this.#link.exchange(null, method, args);
  }

  #now<T>(method: string, ...args: readonly unknown[]): T {
    this.#checkAlive();
    return this.#link.callNow(method, args) as T;
  }

  /** Calls a method whose answer never changes while the model is loaded, and keeps the answer. */
  #always<T>(method: string, ...args: readonly unknown[]): T {
    this.#checkAlive();
    return this.#kept.of([method, args], () => this.#link.callNow(method, args) as T);
  }

  #checkAlive(): void {
    if (this.#disposing !== undefined) {
      throw new LlamaEtsError("ERR_DISPOSED", "The model was disposed");
    }
  }
}
