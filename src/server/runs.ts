/** Runs of requests, side by side in one context of the model. */
import type { Prompt } from "../engine/chat/conversation.js";
import type { Model } from "../engine/engine.js";
import { codeOf } from "../engine/errors.js";
import { plan } from "../methods/plan.js";
import { METHODS, type MethodOptions } from "../methods/registry.js";
import type { Step } from "../methods/step.js";
import type { TextUpdate } from "../methods/text-stream.js";
import { openRoom, type Room } from "../planning/admission.js";
import { alternativesOf } from "./alternatives.js";
import type { Answered } from "./answer.js";
import { Lanes, type RunSize } from "./lanes.js";
import type { ServedRequest } from "./request.js";

/** Guided runs for which the shared context has room, where memory allows. */
const GUIDED_RUNS = 4;
/** Tokens of a prompt that room is made for; longer ones take more of it. */
const PROMPT_TOKENS = 1024;

export interface RunCallbacks {
  onText?: (update: TextUpdate) => void;
  onStep?: (step: Step) => void;
}

export class Runs implements AsyncDisposable {
  readonly #model: Model;
  readonly #room: Room;
  readonly lanes: Lanes;

  private constructor(model: Model, room: Room, lanes: Lanes) {
    this.#model = model;
    this.#room = room;
    this.lanes = lanes;
  }

  /** Makes the shared context. Throws `ERR_OUT_OF_MEMORY`. */
  static async open(model: Model, { parallel, queue }: { parallel: number; queue: number }) {
    const planned = await planGuided(model);
    const runs = [[{ model, plan: planned.model }]];
    const room = await openRoom({ asked: Math.min(GUIDED_RUNS, parallel), runs });
    const { concurrency } = room;
    // Diffusion models have no shared context; a single run has the model's own.
    const isShared = concurrency > 1 && model.kind === "autoregressive";
    const { cells, sequences } = planned.model;
    const capacity = isShared
      ? { cells: concurrency * cells, sequences: concurrency * sequences }
      : { cells: Number.MAX_SAFE_INTEGER, sequences: Number.MAX_SAFE_INTEGER };
    const atOnce = isShared ? parallel : concurrency;
    return new Runs(model, room, new Lanes({ capacity, parallel: atOnce, queue }));
  }

  /** Waits for its turn, and runs. Rejects with the signal's reason, or what the library throws. */
  async run(
    { method, options, logprobs }: ServedRequest,
    prompt: Prompt,
    own: { seed: number; signal: AbortSignal } & RunCallbacks,
  ): Promise<Answered> {
    const { signal, seed, onText, onStep } = own;
    const given = { ...options, seed, signal };
    const size = await this.#sizeOf(prompt, { ...given, method });
    const leave = await this.lanes.enter(size, signal);
    try {
      const result = await METHODS[method](this.#model, prompt, {
        ...given,
        ...(onText && { onText }),
        ...(onStep && { onStep }),
      });
      const top = logprobs?.top ?? 0;
      const { tokens } = result;
      const { sampling } = result.settings;
      const text = { prompt: result.prompt.tokens, tokens, sampling };
      const alternatives =
        top > 0 && this.#model.kind === "autoregressive"
          ? await alternativesOf(this.#model, text, top, signal)
          : null;
      return { result, alternatives };
    } finally {
      leave();
    }
  }

  /** What the run takes; null where it doesn't fit beside those that go on. */
  async #sizeOf(
    prompt: Prompt,
    options: MethodOptions & { method: ServedRequest["method"] },
  ): Promise<RunSize | null> {
    try {
      const { model } = await plan(this.#model, prompt, options);
      return { cells: model.cells, sequences: model.sequences };
    } catch (error) {
      if (codeOf(error) === "ERR_OUT_OF_MEMORY" && this.lanes.running > 0) return null;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#room[Symbol.asyncDispose]();
  }
}

/** A guided run with the defaults, of a prompt that leaves half of the model's context. */
function planGuided(model: Model) {
  const { contextLength, bos } = model.info;
  const tokens = Math.max(1, Math.min(PROMPT_TOKENS, Math.floor(contextLength / 2)));
  return plan(model, new Array<number>(tokens).fill(bos ?? 0), { method: "ets" });
}
