/**
 * The enumerated diffusion chain of a real model: three positions, two digits and the end token.
 * Its conditionals are the engine's own scores of every partly masked text.
 */
import type { Model } from "../../src/engine/engine.js";
import { resolveSampling } from "../../src/engine/sampling.js";
import type { MethodOptions } from "../../src/methods/registry.js";
import type { Completion } from "../../src/rewards/reward.js";
import {
  type Canvas,
  type EnumeratedDiffusion,
  lowConfidenceMoves,
  MASK,
  type Move,
  type Prediction,
  randomMoves,
} from "./enumerated-diffusion.js";

export const PROMPT = "Noah has 4";
const LENGTH = 3;

export interface DiffusionPolicy extends EnumeratedDiffusion {
  tokens: number[];
  predict: (canvas: Canvas) => Prediction;
  /** As `predict` and `moves`, at the proposal's temperature. */
  predictProposal: (canvas: Canvas) => Prediction;
  proposalMoves: (from: Canvas) => readonly Move[];
  /** The options of `ets` that it stands for. */
  options: MethodOptions;
  /** The text that a run ended in, by index of its tokens. */
  keyOf: (tokens: readonly number[]) => string;
}

export const TEMPERATURE = { reference: 4, proposal: 20 };
const LAMBDA = 0.25;

export async function enumerateDiffusion(
  model: Model,
  remasking: "random" | "low-confidence",
  proposalTemperature: number = TEMPERATURE.proposal,
): Promise<DiffusionPolicy> {
  const digits = ["1", "7"].map((digit) => model.tokenize(digit)[0] as number);
  const tokens = [...digits, model.info.eos as number];
  const end = tokens.length - 1;
  const predictAt = async (temperature: number) => {
    const predictions = await readPredictions(model, tokens, temperature);
    return (canvas: Canvas) => predictions.get(canvas.join()) as Prediction;
  };
  const predict = await predictAt(TEMPERATURE.reference);
  const predictProposal = await predictAt(proposalTemperature);
  const moves = remasking === "random" ? randomMoves : lowConfidenceMoves;
  const rewardOf = (text: Canvas) => rewards(text, end);
  const indices = (ids: readonly number[]) => ids.map((id) => tokens.indexOf(id));
  return {
    tokens,
    end,
    rewardOf,
    predict,
    lambda: LAMBDA,
    predictProposal,
    proposalMoves: (from) => moves(from, predictProposal(from), LENGTH),
    length: LENGTH,
    blockLength: LENGTH,
    guidanceLength: 1,
    moves: (from) => moves(from, predict(from), LENGTH),
    keyOf: (ids) => indices(ids).join(),
    options: {
      raw: true,
      allowedTokens: tokens,
      lambda: LAMBDA,
      rollouts: 1,
      temperature: TEMPERATURE.reference,
      maxTokens: LENGTH,
      blockTokens: 1,
      diffusion: { blockLength: LENGTH, remasking },
      reward: (completion: Completion) => rewardOf(indices(completion.tokens)),
      shortcuts: { duplicates: false, decided: false },
    },
  };
}

/** A dense reward in which what comes late matters differently after each beginning. */
function rewards(text: Canvas, end: number): number {
  const [a = end, b = end, c = end] = text;
  return ((7 * a + 5 * b + 4 * c + 3 * a * b + 2 * b * c) % 11) / 8;
}

/** Every text of tokens and masks. */
function allCanvases(tokens: number): Canvas[] {
  let canvases: Canvas[] = [[]];
  for (let i = 0; i < LENGTH; i++) {
    canvases = canvases.flatMap((canvas) =>
      Array.from({ length: tokens + 1 }, (_, token) => [...canvas, token - 1]),
    );
  }
  return canvases;
}

async function readPredictions(
  model: Model,
  tokens: readonly number[],
  temperature: number,
): Promise<Map<string, Prediction>> {
  const { tokens: prompt } = await model.encodePrompt(PROMPT, { raw: true });
  await using context = await model.openDenoiser({ length: prompt.length + LENGTH, texts: 1 });
  const canvases = allCanvases(tokens.length);
  const idsOf = (canvas: Canvas) =>
    Int32Array.from(canvas, (t) => (t === MASK ? context.maskToken : (tokens[t] as number)));
  const states = canvases.flatMap((canvas) =>
    tokens.map((token) => ({
      tokens: idsOf(canvas),
      targets: new Int32Array(LENGTH).fill(token),
    })),
  );
  const { vocabSize } = model.info;
  const read = async (options: { temperature: number; allowedTokens?: readonly number[] }) => {
    const sampling = resolveSampling(options, vocabSize);
    const scores = await context.scoreStates(prompt, states, { sampling });
    return (canvas: number) =>
      Array.from({ length: LENGTH }, (_, position) =>
        tokens.map((_, t) => Math.exp(scores[canvas * tokens.length + t]?.[position] as number)),
      );
  };
  const probabilities = await read({ temperature, allowedTokens: tokens });
  const confidences = await read({ temperature: 1 });
  return new Map(
    canvases.map((canvas, i) => [
      canvas.join(),
      { probabilities: probabilities(i), confidences: confidences(i) },
    ]),
  );
}
