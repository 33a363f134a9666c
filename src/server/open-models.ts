/** Makes the shared contexts of the models that are served, beside each other in memory. */
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

/** A model that requests may ask for. Both stay the caller's. */
export interface ServedModel {
  /** What requests call it. */
  name: string;
  model: Model;
  /** Draws the rollouts of ETS-IS, which requests may then ask for. */
  proposal?: Model;
  /** Options of methods for what requests leave open. Default: the library's defaults. */
  defaults?: MethodOptions;
}

/** A context that runs share, and what its plan gave each of them. */
export interface Shared {
  room: Room;
  capacity: ContextPart;
}

/** A model whose contexts were made. */
export interface OpenedModel {
  model: Model;
  proposal: Model | null;
  /** The model's, and its proposal's. Empty where runs have contexts of their own, one after another. */
  shared: readonly Shared[];
  /** Runs of it that may go on at once. */
  parallel: number;
}

/** What runs with the defaults take of a model, and of its proposal. */
interface PlannedModel extends Pick<OpenedModel, "model" | "proposal"> {
  ofModel: RunContexts[];
  ofProposal: RunContexts[];
}

interface OpenedModels extends AsyncDisposable {
  opened: readonly OpenedModel[];
  runQueue: RunQueue;
}

/** Guided runs for which a shared context has room, where memory allows; and those with a proposal. */
const [GUIDED_RUNS, PROPOSED_RUNS] = [4, 2];
/** Shares of what a model's runs would take if it were alone; it gets the first that leaves room for others. */
const SHARES = [1, 3 / 4, 1 / 2, 1 / 3, 1 / 4, 1 / 6, 1 / 8, 1 / 12, 1 / 16];
/** Tokens of a prompt that room is made for; longer ones take more of it. */
const PROMPT_TOKENS = 1024;

/**
 * Makes the shared contexts. Throws `ERR_OUT_OF_MEMORY`, for several models before any context is made,
 * and what a run with a proposal would throw that can't draw for the model, such as
 * `ERR_TOKENIZER_MISMATCH`.
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
      // Diffusion models have no shared context; a single run has the model's own.
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
 * Plans runs of each model, in as much of the memory as leaves room for those of the others. Throws
 * `ERR_OUT_OF_MEMORY` where there is none.
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

/** Runs with the defaults that were not planned yet, and their plans in all of the memory. */
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

/** Null: a run needs more than its share. */
function planModel({ model, proposal, runs }: PreparedModel, share: number): PlannedModel | null {
  const plans = runs.map(({ prepared, whole }) => {
    if (share === 1) return whole;
    const parts = [whole.model, ...(whole.proposal === null ? [] : [whole.proposal])];
    // Sequences take little of the memory.
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

/** A guided run with the defaults, of a prompt that leaves half of the model's context. */
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

/** Null: it doesn't fit. */
export function planOrNull(prepared: PreparedRun, within: RunParts): Plan | null {
  try {
    return prepared.plan(within);
  } catch (error) {
    if (codeOf(error) === "ERR_OUT_OF_MEMORY") return null;
    throw error;
  }
}
