/** Runs of requests, side by side in shared contexts of the model and of its proposal. */
import type { Prompt } from "../engine/chat/conversation.js";
import type { Model } from "../engine/engine.js";
import { codeOf, messageOf } from "../engine/errors.js";
import type { PreparedRun } from "../methods/define-method.js";
import { plan } from "../methods/plan.js";
import { METHODS } from "../methods/registry.js";
import type { Step } from "../methods/step.js";
import type { TextUpdate } from "../methods/text-stream.js";
import { openRoom, type Room, type RunContexts } from "../planning/admission.js";
import type { ContextPart } from "../planning/contexts.js";
import type { Plan, RunParts } from "../planning/run-plan.js";
import { alternativesNeeds, alternativesOf } from "./alternatives.js";
import type { Answered } from "./answer.js";
import { ApiError } from "./errors.js";
import { Lanes, type RunSize } from "./lanes.js";
import type { ServedRequest } from "./request.js";

/** Guided runs for which the shared context has room, where memory allows; and those with a proposal. */
const [GUIDED_RUNS, PROPOSED_RUNS] = [4, 2];
/** Shares of the shared contexts that a run may have: it gets the first that is enough. */
const SHARES = [1 / 2, 3 / 4, 9 / 10, 1];
/** Tokens of a prompt that room is made for; longer ones take more of it. */
const PROMPT_TOKENS = 1024;

export interface RunCallbacks {
  onText?: (update: TextUpdate) => void;
  onStep?: (step: Step) => void;
}

export interface RunsOptions {
  /** Draws the rollouts of ETS-IS; null: it can't be asked for. */
  proposal: Model | null;
  parallel: number;
  queue: number;
}

/** A prompt of a request that was read, and the room that its runs take. */
export interface Turn {
  request: ServedRequest;
  prepared: PreparedRun;
  /** Its parts of the shared contexts; undefined: contexts as memory allows. */
  within: RunParts | undefined;
  size: RunSize;
}

/** A context that runs share, and what its plan gave each of them. */
interface Shared {
  room: Room;
  capacity: ContextPart;
}

export class Runs implements AsyncDisposable {
  readonly #model: Model;
  readonly #proposal: Model | null;
  /** The model's, and its proposal's. Empty where runs have contexts of their own, one after another. */
  readonly #shared: readonly Shared[];
  readonly #rooms: readonly Room[];
  readonly lanes: Lanes;

  private constructor(
    models: Pick<RunsOptions, "proposal"> & { model: Model },
    shared: readonly Shared[],
    rooms: readonly Room[],
    lanes: Lanes,
  ) {
    this.#model = models.model;
    this.#proposal = models.proposal;
    this.#shared = shared;
    this.#rooms = rooms;
    this.lanes = lanes;
  }

  /**
   * Makes the shared contexts. Throws `ERR_OUT_OF_MEMORY`, and what a run with the proposal would throw
   * that can't draw for the model, such as `ERR_TOKENIZER_MISMATCH`.
   */
  static async open(model: Model, { proposal, parallel, queue }: RunsOptions): Promise<Runs> {
    const guided = await planTypical(model, null);
    const proposed = proposal === null ? null : await planTypical(model, proposal);
    const ofModel: RunContexts[] = [guided, ...(proposed === null ? [] : [proposed])].map(
      (planned) => [{ model, plan: planned.model }],
    );
    const rooms = [await openRoom({ asked: Math.min(GUIDED_RUNS, parallel), runs: ofModel })];
    try {
      if (proposal !== null && proposed?.proposal) {
        const runs = [[{ model: proposal, plan: proposed.proposal }]];
        rooms.push(await openRoom({ asked: Math.min(PROPOSED_RUNS, parallel), runs }));
      }
    } catch (error) {
      await closeAll(rooms);
      throw error;
    }
    const plans = [ofModel.map(([one]) => one?.plan), [proposed?.proposal]];
    const shared = rooms.map((room, i) => {
      const mostOf = (what: keyof ContextPart) =>
        room.concurrency * Math.max(...(plans[i] ?? []).map((one) => one?.[what] ?? 0));
      return { room, capacity: { cells: mostOf("cells"), sequences: mostOf("sequences") } };
    });
    const [first = expectRoom()] = rooms;
    // Diffusion models have no shared context; a single run has the model's own.
    const isShared = first.concurrency > 1 && model.kind === "autoregressive";
    const lanes = new Lanes({
      capacity: isShared ? shared.map(({ capacity }) => capacity) : [],
      parallel: isShared ? parallel : first.concurrency,
      queue,
    });
    return new Runs({ model, proposal }, isShared ? shared : [], rooms, lanes);
  }

  /**
   * Reads a prompt of the request. Throws what the library throws, and an `ApiError` of status 400 for runs
   * for which there will never be room.
   */
  async prepare(request: ServedRequest, prompt: Prompt): Promise<Turn> {
    const { method, options } = request;
    const needsProposal = METHODS[method].proposal !== undefined;
    const prepared = await METHODS[method].prepare(this.#model, prompt, {
      ...options,
      ...(needsProposal && this.#proposal && { proposal: this.#proposal }),
    });
    return { request, prepared, ...this.#roomFor(prepared, request) };
  }

  /** Waits for its turn, and runs. Rejects with the signal's reason, or what the library throws. */
  async run(
    { request, prepared, within, size }: Turn,
    own: { seed: number; signal: AbortSignal } & RunCallbacks,
  ): Promise<Answered> {
    const { signal } = own;
    const leave = await this.lanes.enter(size, signal);
    try {
      const drawn = await prepared.begin(own, within);
      const result = request.auto === null ? drawn : { ...drawn, auto: request.auto };
      const top = request.logprobs?.top ?? 0;
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

  /**
   * Half of the shared contexts, if less will do by taking turns, so that others find room beside a large
   * run; else more of them; else contexts of its own.
   */
  #roomFor(prepared: PreparedRun, request: ServedRequest): Pick<Turn, "within" | "size"> {
    if (this.#shared.length === 0) {
      prepared.plan();
      return { within: undefined, size: [] };
    }
    for (const share of SHARES) {
      const within = this.#shared.map(({ capacity }) => partOf(capacity, share));
      const planned = planOrNull(prepared, within);
      if (planned === null) continue;
      if (!this.#suits(planned)) break;
      return { within, size: this.#sizeOf(planned, request) };
    }
    const apart = { within: ["apart", "apart"], size: "apart" } as const;
    // Its memory may be what is missing.
    if (this.lanes.isApartTaken) return apart;
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
    if (own?.room.suits([{ model: this.#model, plan: model }]) !== true) return false;
    if (proposal === null || this.#proposal === null) return true;
    // A room of one run is no shared context, but what was planned for it.
    return (
      ofProposal?.room.concurrency === 1 ||
      ofProposal?.room.suits([{ model: this.#proposal, plan: proposal }]) === true
    );
  }

  #sizeOf({ model, proposal, promptTokens, maxTokens }: Plan, request: ServedRequest): RunSize {
    const [own] = this.#shared;
    const more =
      (request.logprobs?.top ?? 0) > 0
        ? alternativesNeeds(this.#model, promptTokens + maxTokens)
        : { cells: 0, sequences: 0 };
    const largest = (what: keyof ContextPart) =>
      Math.min(Math.max(model[what], more[what]), own?.capacity[what] ?? 0);
    const ofModel = { cells: largest("cells"), sequences: largest("sequences") };
    return [ofModel, ...(proposal === null ? [] : [proposal])];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeAll(this.#rooms);
  }
}

function partOf({ cells, sequences }: ContextPart, share: number): ContextPart {
  return { cells: Math.floor(cells * share), sequences: Math.floor(sequences * share) };
}

/** Null: it doesn't fit. */
function planOrNull(prepared: PreparedRun, within: RunParts): Plan | null {
  try {
    return prepared.plan(within);
  } catch (error) {
    if (codeOf(error) === "ERR_OUT_OF_MEMORY") return null;
    throw error;
  }
}

async function closeAll(rooms: readonly Room[]): Promise<void> {
  await Promise.all(rooms.map((room) => room[Symbol.asyncDispose]()));
}

function expectRoom(): never {
  throw new Error("Expected a room");
}

/** A guided run with the defaults, of a prompt that leaves half of the model's context. */
function planTypical(model: Model, proposal: Model | null): Promise<Plan> {
  const { contextLength, bos } = model.info;
  const tokens = Math.max(1, Math.min(PROMPT_TOKENS, Math.floor(contextLength / 2)));
  return plan(model, new Array<number>(tokens).fill(bos ?? 0), {
    ...(proposal === null ? { method: "ets" } : { method: "ets-is", proposal }),
  });
}
