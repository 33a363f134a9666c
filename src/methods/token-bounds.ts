/** The most tokens that a method may ask of its models. */
import type { DenoisingSettings } from "../chain/denoising.js";
import type { MethodName } from "./method-names.js";
import type { Settings } from "./options.js";

/** The most tokens that a model may be asked for; savings (METHOD §2) and early ends lower them. */
export interface TokenBounds {
  prefilled: number;
  generated: number;
  scored: number;
  /** Texts that go through a diffusion model, once for each pass; 0 of other models. */
  passes: number;
}

/** Of the model, and of the proposal if there is one. */
export function boundTokens(
  method: MethodName,
  settings: Settings,
  promptTokens: number,
): TokenBounds[] {
  const { candidates, maxTokens, blockTokens, diffusion } = settings;
  if (method === "beam" && diffusion !== null) {
    return boundSearched(settings, diffusion, promptTokens);
  }
  if (method === "beam") {
    // One more for each hypothesis that ended, of which there are at most as many again.
    const generated = candidates * (maxTokens + 1);
    return [{ prefilled: promptTokens, generated, scored: 0, passes: 0 }];
  }
  if (diffusion !== null) return boundDenoised(method, settings, diffusion, promptTokens);
  if (method === "power" || method === "mh") {
    const moves = candidates * (settings.moves ?? 0);
    const lengths = blockEnds(maxTokens, method === "mh" ? maxTokens : blockTokens);
    const redrawn = moves * lengths.reduce((sum, length) => sum + length, 0);
    // Each text drawn anew or extended reads its last token again.
    const prefilled = promptTokens + (moves + candidates) * lengths.length;
    const generated = candidates * maxTokens + redrawn;
    return [{ prefilled, generated, scored: 0, passes: 0 }];
  }
  return boundGuided(settings, promptTokens);
}

/** Of a diffusion model; at a move of mh all texts may go back to their start. */
function boundDenoised(
  method: MethodName,
  settings: Settings,
  diffusion: DenoisingSettings,
  promptTokens: number,
): TokenBounds[] {
  const { candidates, maxTokens } = settings;
  const draws = method === "mh" ? 1 + (settings.moves ?? 0) : 1;
  const bounds = boundGuided({ ...settings, candidates: draws * candidates }, promptTokens);
  // Each pass unmasks or scores at least as many tokens as the schedule says.
  const pace = Math.floor(maxTokens / diffusion.denoisingSteps);
  const views = diffusion.cfgScale > 0 ? 2 : 1;
  return bounds.map((bound) => {
    const passes = views * Math.ceil((bound.generated + bound.scored) / pace);
    return { ...bound, passes, prefilled: passes * promptTokens };
  });
}

/** Of M hypotheses at each denoising step, and those that end: fewer than M, and M once. */
function boundSearched(
  { candidates, maxTokens }: Settings,
  { denoisingSteps, cfgScale }: DenoisingSettings,
  promptTokens: number,
): TokenBounds[] {
  const pace = Math.ceil(maxTokens / denoisingSteps);
  const generated = candidates * (maxTokens + 2 * pace);
  const passes = (cfgScale > 0 ? 2 : 1) * candidates * denoisingSteps;
  return [{ prefilled: passes * promptTokens, generated, scored: 0, passes }];
}

function blockEnds(maxTokens: number, blockTokens: number): number[] {
  const blocks = Math.ceil(maxTokens / blockTokens);
  return Array.from({ length: blocks }, (_, i) => Math.min((i + 1) * blockTokens, maxTokens));
}

/**
 * Of M candidates over I steps of B tokens, up to d: M·d tokens, and K rollouts of each candidate
 * but the last step's, M·K·Σ (d - i·B). With d = I·B that is M·d·(1 + K·(I - 1)/2).
 * A rollout that ended with its answer is read again when it becomes the text.
 */
function boundGuided(settings: Settings, promptTokens: number): TokenBounds[] {
  const { candidates, rollouts, steps, blockTokens, maxTokens, mixture, answerEnd } = settings;
  const prefilled = promptTokens + (answerEnd !== null && steps > 1 ? maxTokens : 0);
  const drawn = candidates * maxTokens;
  const rest = Array.from({ length: steps - 1 }, (_, i) => maxTokens - (i + 1) * blockTokens);
  const tokensOf = (count: number) => candidates * count * rest.reduce((a, b) => a + b, 0);
  if (settings.proposalSampling === null) {
    const generated = drawn + tokensOf(rollouts);
    return [{ prefilled, generated, scored: 0, passes: 0 }];
  }
  const own = Math.round(rollouts * mixture);
  const [byModel, byProposal] = [tokensOf(own), tokensOf(rollouts - own)];
  const read = promptTokens + candidates * blockTokens * (steps - 1);
  return [
    { prefilled, generated: drawn + byModel, scored: byProposal, passes: 0 },
    {
      ...{ prefilled: read, generated: byProposal, passes: 0 },
      // One pass of each model: the proposal scores its own rollouts too.
      scored: settings.ratio === "one-pass" ? byProposal : byModel,
    },
  ];
}
