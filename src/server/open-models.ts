/** Creates the shared contexts of the served models, so that all fit into memory together. */
import type { Model } from "../engine/engine.js";
import { codeOf, LlamaEtsError, messageOf } from "../engine/errors.js";
import type { PreparedRun } from "../methods/define-method.js";
import { METHODS, type MethodOptions } from "../methods/registry.js";
import {
  exceedCores,
  openRoom,
  type Room,
  type RunContexts,
  refuseUnlessTogether,
} from "../planning/admission.js";
import type { ContextPart } from "../planning/contexts.js";
import type { Plan, RunParts } from "../planning/run-plan.js";
import { RunQueue } from "./run-queue.js";

/** A model that requests may name. The caller keeps ownership of the model and the proposal. */
export interface ServedModel {
  /** The model's name in requests. */
  name: string;
  model: Model;
  /** The model that draws the rollouts of ETS-IS. With it, requests may ask for ETS-IS. */
  proposal?: Model;
  /** Options of methods that requests don't set. Default: the library's defaults. */
  defaults?: MethodOptions;
}

/** A context that runs share, with its capacity. */
export interface Shared {
  room: Room;
  capacity: ContextPart;
}

/** A model with its contexts. */
export interface OpenedModel {
  model: Model;
  proposal: Model | null;
  /**
   * The shared contexts of the model and of its proposal. Empty if runs have their own contexts, one run
   * after another.
   */
  shared: readonly Shared[];
  /** The maximum number of concurrent runs of the model. */
  parallel: number;
}

/** The contexts that runs with the defaults need of a model and its proposal. */
interface PlannedModel extends Pick<OpenedModel, "model" | "proposal"> {
  ofModel: RunContexts[];
  ofProposal: RunContexts[];
}

interface OpenedModels extends AsyncDisposable {
  opened: readonly OpenedModel[];
  runQueue: RunQueue;
}

/**
 * The number of guided runs for which a shared context has room if memory allows, without and with a
 * proposal.
 */
const [GUIDED_RUNS, PROPOSED_RUNS] = [4, 2];
/**
 * Shares of the memory that a model's runs would take if it were alone. The models get the first share with
 * which all fit.
 */
const SHARES = [1, 3 / 4, 1 / 2, 1 / 3, 1 / 4, 1 / 6, 1 / 8, 1 / 12, 1 / 16];
/** The prompt length in tokens for which room is planned. Longer prompts take more of the room. */
const PROMPT_TOKENS = 1024;

/**
 * Creates the shared contexts. Throws `ERR_OUT_OF_MEMORY`, for several models before any context is created.
 * Also throws what a run with an unsuitable proposal would throw, such as `ERR_TOKENIZER_MISMATCH`.
 */
export async function openModels(
  models: readonly ServedModel[],
  { parallel, queue }: { parallel: number; queue: number },
): Promise<OpenedModels> {
  const planned = await planModels(models);
  const rooms: Room[] = [];
  const close = async () => {
    await Promise.all(rooms.map((room) => room[Symbol.asyncDispose]()));
  };
  const open = async (asked: number, runs: readonly RunContexts[], others: RunContexts[]) => {
    const room = await openRoom({ asked: Math.min(asked, parallel), runs, others });
    rooms.push(room);
    const most = (what: keyof ContextPart) =>
      room.concurrency * Math.max(...runs.map(([one]) => one?.plan[what] ?? 0));
    return { room, capacity: { cells: most("cells"), sequences: most("sequences") } };
  };
  try {
    const opened: OpenedModel[] = [];
    for (const [i, { model, proposal, ofModel, ofProposal }] of planned.entries()) {
      const later = planned.slice(i + 1).flatMap(runsOf);
      const own = await open(GUIDED_RUNS, ofModel, [...ofProposal, ...later]);
      const shared = [own];
      if (ofProposal.length > 0) shared.push(await open(PROPOSED_RUNS, ofProposal, later));
      // Diffusion models have no shared context. A single run uses the model's own context.
      const isShared = own.room.concurrency > 1 && model.kind === "autoregressive";
      opened.push({
        model,
        proposal,
        shared: isShared ? shared : [],
        parallel: isShared ? parallel : own.room.concurrency,
      });
    }
    const runQueue = new RunQueue({
      models: opened.map(({ shared, parallel: ownParallel }) => {
        return { capacity: shared.map(({ capacity }) => capacity), parallel: ownParallel };
      }),
      inTurns: opened.length > 1 && exceedCores(opened.map(({ model }) => model)),
      parallel,
      queue,
    });
    return { opened, runQueue, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Plans the runs of each model, so that the runs of all models fit into memory together. Throws
 * `ERR_OUT_OF_MEMORY` if this is impossible.
 */
async function planModels(models: readonly ServedModel[]): Promise<PlannedModel[]> {
  const all = await Promise.all(models.map(prepareModel));
  let refusal: unknown;
  for (const share of SHARES) {
    const planned = all.map((one) => planModel(one, share)).filter((one) => one !== null);
    if (planned.length < all.length) break;
    try {
      if (all.length > 1) refuseUnlessTogether(planned.flatMap(runsOf));
      return planned;
    } catch (error) {
      if (codeOf(error) !== "ERR_OUT_OF_MEMORY") throw error;
      refusal = error;
    }
  }
  throw new LlamaEtsError(
    "ERR_OUT_OF_MEMORY",
    `The models ${models.map(({ name }) => name).join(" and ")} don't fit beside each other: ${messageOf(refusal)}`,
    { fix: "fewer or smaller models, or --kv q8_0", cause: refusal },
  );
}

/** Prepared runs with the defaults, and their plans with the whole memory. */
interface PreparedModel extends Pick<OpenedModel, "model" | "proposal"> {
  runs: { prepared: PreparedRun; whole: Plan }[];
}

async function prepareModel({ model, proposal: own }: ServedModel): Promise<PreparedModel> {
  const proposal = own ?? null;
  const runs = [await prepareTypical(model, null)];
  if (proposal !== null) runs.push(await prepareTypical(model, proposal));
  return {
    model,
    proposal,
    runs: runs.map((prepared) => ({ prepared, whole: prepared.plan() })),
  };
}

/** Plans a model's runs within a share of the memory; null if a run needs more. */
function planModel({ model, proposal, runs }: PreparedModel, share: number): PlannedModel | null {
  const plans = runs.map(({ prepared, whole }) => {
    if (share === 1) return whole;
    const parts = [whole.model, ...(whole.proposal === null ? [] : [whole.proposal])];
    // Only cells are limited, because sequences take little memory.
    const within = parts.map(({ cells, sequences }) => ({ cells: cells * share, sequences }));
    return planOrNull(prepared, within);
  });
  const there = plans.filter((one) => one !== null);
  if (there.length < plans.length) return null;
  return {
    model,
    proposal,
    ofModel: there.map((one) => [{ model, plan: one.model }]),
    ofProposal: there.flatMap(({ proposal: drawn }) =>
      proposal === null || drawn === null ? [] : [[{ model: proposal, plan: drawn }]],
    ),
  };
}

/** Prepares a guided run with the defaults, whose prompt takes at most half of the model's context. */
function prepareTypical(model: Model, proposal: Model | null): Promise<PreparedRun> {
  const { contextLength, bos } = model.info;
  const length = Math.max(1, Math.min(PROMPT_TOKENS, Math.floor(contextLength / 2)));
  const tokens = new Array<number>(length).fill(bos ?? 0);
  return proposal === null
    ? METHODS.ets.prepare(model, tokens, {})
    : METHODS["ets-is"].prepare(model, tokens, { proposal });
}

function runsOf({ ofModel, ofProposal }: PlannedModel): RunContexts[] {
  return [...ofModel, ...ofProposal];
}

/** Plans a run; null if it doesn't fit. */
export function planOrNull(prepared: PreparedRun, within: RunParts): Plan | null {
  try {
    return prepared.plan(within);
  } catch (error) {
    if (codeOf(error) === "ERR_OUT_OF_MEMORY") return null;
    throw error;
  }
}
