/** Executes runs of requests concurrently in the shared contexts of a model and its proposal. */
import type { Prompt } from "../engine/chat/conversation.js";
import type { Model } from "../engine/engine.js";
import { codeOf, messageOf } from "../engine/errors.js";
import type { PreparedRun } from "../methods/define-method.js";
import { METHODS } from "../methods/registry.js";
import type { TextUpdate } from "../methods/run/text-stream.js";
import type { Step } from "../methods/step.js";
import type { ContextPart } from "../planning/contexts.js";
import type { Plan, RunParts } from "../planning/run-plan.js";
import { alternativesNeeds, alternativesOf } from "./alternatives.js";
import type { Answered } from "./answer.js";
import { ApiError } from "./errors.js";
import { type OpenedModel, planOrNull, type Shared } from "./open-models.js";
import type { ServedRequest } from "./request.js";
import type { RunQueue, RunSize } from "./run-queue.js";

/** Shares of the shared contexts that a run may get. It gets the first share that is enough. */
const SHARES = [1 / 2, 3 / 4, 9 / 10, 1];

export interface RunCallbacks {
  onText?: (update: TextUpdate) => void;
  onStep?: (step: Step) => void;
}

/** A prepared prompt of a request, and the room that its runs take. */
export interface Turn {
  request: ServedRequest;
  prepared: PreparedRun;
  /** The run's parts of the shared contexts; undefined if its contexts are limited only by memory. */
  within: RunParts | undefined;
  size: RunSize;
}

/** The runs of one served model. */
export class Runs {
  readonly model: Model;
  readonly #place: number;
  readonly #proposal: Model | null;
  /**
   * The shared contexts of the model and of its proposal. Empty if runs have their own contexts, one run
   * after another.
   */
  readonly #shared: readonly Shared[];
  readonly #queue: RunQueue;

  /** @param place the index of the model in the queue */
  constructor(place: number, { model, proposal, shared }: OpenedModel, runQueue: RunQueue) {
    this.model = model;
    this.#place = place;
    this.#proposal = proposal;
    this.#shared = shared;
    this.#queue = runQueue;
  }

  /**
   * Prepares a prompt of the request. Throws what the library throws, and an `ApiError` of status 400 if a
   * run can never fit.
   */
  async prepare(request: ServedRequest, prompt: Prompt): Promise<Turn> {
    const { method, options } = request;
    const needsProposal = METHODS[method].proposal !== undefined;
    const prepared = await METHODS[method].prepare(this.model, prompt, {
      ...options,
      ...(needsProposal && this.#proposal && { proposal: this.#proposal }),
    });
    return { request, prepared, ...this.#roomFor(prepared, request) };
  }

  /**
   * Waits for the run's turn, and runs it. Rejects with the signal's reason, or with what the library throws.
   */
  async run(
    { request, prepared, within, size }: Turn,
    own: { seed: number; signal: AbortSignal } & RunCallbacks,
  ): Promise<Answered> {
    const { signal } = own;
    const leave = await this.#queue.enter(size, signal);
    try {
      const drawn = await prepared.begin(own, within);
      const result = request.auto === null ? drawn : { ...drawn, auto: request.auto };
      const top = request.logprobs?.top ?? 0;
      const { tokens } = result;
      const { sampling } = result.settings;
      const text = { prompt: result.prompt.tokens, tokens, sampling };
      const alternatives =
        top > 0 && this.model.kind === "autoregressive"
          ? await alternativesOf(this.model, text, top, signal)
          : null;
      return { result, alternatives };
    } finally {
      leave();
    }
  }

  /**
   * Finds room for a run. It gets half of the shared contexts if it fits, so that a large run leaves room for
   * others. Otherwise it gets a larger share, or its own contexts.
   */
  #roomFor(prepared: PreparedRun, request: ServedRequest): Pick<Turn, "within" | "size"> {
    if (this.#shared.length === 0) {
      prepared.plan();
      return { within: undefined, size: this.#sized([]) };
    }
    for (const share of SHARES) {
      const within = this.#shared.map(({ capacity }) => partOf(capacity, share));
      const planned = planOrNull(prepared, within);
      if (planned === null) continue;
      if (!this.#suits(planned)) break;
      return { within, size: this.#sized(this.#partsOf(planned, request)) };
    }
    const apart = { within: ["apart", "apart"] as const, size: this.#sized("apart") };
    // The memory of that run may be what is missing, so the check of the plan is skipped.
    if (this.#queue.isApartTaken) return apart;
    try {
      prepared.plan(apart.within);
    } catch (error) {
      if (codeOf(error) !== "ERR_OUT_OF_MEMORY") throw error;
      throw new ApiError(400, "run_too_large", messageOf(error), { cause: error });
    }
    return apart;
  }

  #suits({ model, proposal }: Plan): boolean {
    const [own, ofProposal] = this.#shared;
    if (own?.room.suits([{ model: this.model, plan: model }]) !== true) return false;
    if (proposal === null || this.#proposal === null) return true;
    // A room for one run isn't a shared context: it takes what was planned.
    return (
      ofProposal?.room.concurrency === 1 ||
      ofProposal?.room.suits([{ model: this.#proposal, plan: proposal }]) === true
    );
  }

  #sized(parts: RunSize["parts"]): RunSize {
    return { model: this.#place, parts };
  }

  #partsOf(
    { model, proposal, promptTokens, maxTokens }: Plan,
    request: ServedRequest,
  ): readonly ContextPart[] {
    const [own] = this.#shared;
    const more =
      (request.logprobs?.top ?? 0) > 0
        ? alternativesNeeds(this.model, promptTokens + maxTokens)
        : { cells: 0, sequences: 0 };
    const largest = (what: keyof ContextPart) =>
      Math.min(Math.max(model[what], more[what]), own?.capacity[what] ?? 0);
    const ofModel = { cells: largest("cells"), sequences: largest("sequences") };
    return [ofModel, ...(proposal === null ? [] : [proposal])];
  }
}

function partOf({ cells, sequences }: ContextPart, share: number): ContextPart {
  return { cells: Math.floor(cells * share), sequences: Math.floor(sequences * share) };
}
