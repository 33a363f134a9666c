/**
 * Prompts for constrained answers. It must be known before the draw where the constrained answer begins:
 * at the beginning of the text, or after a thought that the prompt has opened.
 */
import { checkArray } from "../check.js";
import type { Model } from "../engine.js";
import { LlamaEtsError } from "../errors.js";
import { checkTokens } from "../prompt.js";
import { SpecialText } from "../special-text.js";
import { isChannel, type ThoughtRules } from "../thoughts.js";
import type { Vocabulary } from "../vocabulary.js";
import type { EncodedPrompt, Prompt, PromptOptions, TokenIds } from "./conversation.js";
import { resolveReasoning } from "./reasoning.js";

/** Adapts a prompt so that it either opens a thought itself, or answers have no thoughts. */
export function constrainedPrompt(
  vocabulary: Vocabulary,
  encoded: EncodedPrompt,
  { reasoning }: Pick<PromptOptions, "reasoning">,
): EncodedPrompt {
  const { thoughts, chat } = encoded;
  if (thoughts === null) return encoded;
  const rules = constrainedRules(vocabulary, thoughts);
  if (thoughts.beginsInside) return { ...encoded, thoughts: rules };
  const asks = reasoning !== undefined && resolveReasoning(reasoning).effort !== "off";
  // In harmony an answer must be in a channel, which follows the channel of the thoughts.
  const opens = asks || isChannel(thoughts.start);
  if (!opens || chat?.prefill !== "") return { ...encoded, thoughts: null };
  const { start } = thoughts;
  const opening = vocabulary.tokenize(start, { special: true });
  const found = new SpecialText(vocabulary).find(start).map((special) => ({
    ...special,
    start: special.start + encoded.text.length,
    end: special.end + encoded.text.length,
  }));
  return {
    ...encoded,
    text: encoded.text + start,
    tokens: Int32Array.from([...encoded.tokens, ...opening]),
    specials: [...encoded.specials, ...found],
    thoughts: rules,
  };
}

/** Rules for one thought: only the forced closing ends it, and no other thought can open after it. */
function constrainedRules(vocabulary: Vocabulary, rules: ThoughtRules): ThoughtRules {
  const closing = vocabulary.textBytes(rules.closing, { special: true }).toString("utf8").trim();
  return {
    ...rules,
    ends: [closing],
    beginsInside: true,
    opensAnywhere: false,
    isConstrained: true,
  };
}

/** Encodes a prompt, and checks the continuations that a model will score. */
export async function encodedToScore(
  model: Model,
  prompt: Prompt,
  continuations: readonly TokenIds[],
  options: PromptOptions,
  isConstrained: boolean,
): Promise<{ tokens: Int32Array; requests: Int32Array[] }> {
  const encoded = await model.encodePrompt(prompt, options);
  if (isConstrained) refuseConstrainedThoughts("score", constrainedPrompt(model, encoded, options));
  const requests = checkArray("continuations", continuations).map((c) =>
    checkTokens("continuations", c, model.info.vocabSize),
  );
  return { tokens: encoded.tokens, requests };
}

/** Throws if the prompt opens a thought: in `what`, a constraint must begin at the text's first token. */
export function refuseConstrainedThoughts(what: string, { thoughts }: EncodedPrompt): void {
  if (thoughts === null) return;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `${what} takes no \`constraint\` behind thoughts, and the prompt opens some`,
    {
      fix: "another method such as particle or ets, no `constraint`, or a template that doesn't think",
    },
  );
}
