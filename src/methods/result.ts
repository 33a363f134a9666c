import type { FinishReason, TextThoughts, Usage } from "../chain/chain.js";
import type { ToolCall } from "../engine/chat/messages.js";
import type { AutoReason, Plan } from "../planning/run-plan.js";
import type { Settings } from "./options/settings.js";
import type { Outcome } from "./run/outcome.js";
import type { MethodDiagnostics, Step } from "./step.js";

/**
 * Why the run ended: the reason of the text's end, or `budget`. `closed`: `maxTokens` cut the text off, and
 * `close` gave it an end that its constraint allows.
 */
export type StopReason = FinishReason | "budget" | "closed";

/** What every method returns; also the trace of the run, enough to redraw or replay it. */
export interface Result extends Outcome, MethodDiagnostics {
  method: string;
  /** Why `auto` chose the method; absent if the user chose it. */
  auto?: AutoReason;
  /** The answer, without thoughts. */
  text: string;
  /** The thoughts; absent if the text has none, or if the template's tags are unknown. */
  reasoning?: string;
  /** What the thoughts cost, and how they ended. */
  thoughts?: TextThoughts;
  /**
   * The text's calls of `tools`, if there were tools; the text also contains them. Absent or empty if
   * llama.cpp doesn't know the form of the template's calls.
   */
  toolCalls?: ToolCall[];
  /** The text's canonical answer; `null` when it gives none. */
  answer: string | null;
  /** Token ids of the thoughts and the text, with tags and the end token. */
  tokens: readonly number[];
  /** One number per token, in nats, under the reference policy; 0 for forced tokens. */
  logProbs: readonly number[];
  /**
   * One number per token, in nats: the entropies of the distributions that tokens were drawn from, and their
   * self-certainties. Present if the run measured them: because of `metrics`, its reward or its method. If
   * the budget left a token unmeasured, its entropy is infinite.
   */
  entropies?: readonly number[];
  selfCertainties?: readonly number[];
  /**
   * With a constraint: the log of the product, over all tokens, of the probability under the reference
   * policy of what the constraint allowed there. The sum of `logProbs` minus this is the log-probability of
   * the text under the masked law. At temperature 0 the masses are under the model's own distribution.
   */
  constraintLogMass?: number;
  /** Share of the last step's votes that give this answer, from 0 to 1. */
  agreement: number;
  steps: Step[];
  /** The usage of the model. That of the proposal is in `proposalUsage`. */
  usage: Usage;
  proposalUsage?: Usage;
  /** Steps whose importance weights can't be trusted, with advice. */
  warnings: string[];
  stopReason: StopReason;
  seed: number;
  /** The plan that was made before the run began. */
  plan: Plan;
  settings: Settings;
  prompt: { text: string; tokens: number[] };
  model: { path: string; description: string; parameters: number };
  versions: { llamaEts: string; llamaCpp: string; node: string };
}
