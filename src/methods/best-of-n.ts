import { chainDemand } from "../planning/demands.js";
import { boundGuided } from "../planning/token-bounds.js";
import { defineMethod } from "./define-method.js";
import { divergenceOfBest } from "./divergence.js";
import { drawComplete } from "./draw-complete.js";
import { oneStep, WHOLE_TEXTS } from "./method.js";

/**
 * Draws `candidates` whole texts and returns the one with the highest reward, or the first of several with
 * the same reward. Except for the choice among equals, this is ETS with one step and λ → 0.
 *
 * @example
 * const short = ({ text }) => -text.length;
 * const { text, reward } = await bestOfN(model, "Name a bird.", { candidates: 16, reward: short });
 *
 * @throws as `ets` does
 */
export const bestOfN = defineMethod({
  name: "best-of-n",
  summary: "draws whole texts and returns the one with the highest reward",
  own: {},
  guidance: ["candidates", "reward", "adaptive"],
  fixed: oneStep,
  demand: chainDemand,
  bounds: boundGuided,
  reports: WHOLE_TEXTS,
  drawsIndependent: true,
  picks: true,
  divergence: divergenceOfBest,
  run: (run) =>
    drawComplete(run, (texts) => {
      const best = Math.max(...texts.map(({ reward }) => reward));
      return texts.findIndex(({ reward }) => reward === best);
    }),
});
