/**
 * Prompts of constrained answers. A constraint must know where it begins, before anything is drawn: with
 * the text, or behind thoughts that the prompt has opened.
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

/** The prompt, which opens a thought or leaves none. */
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
  // Without a channel there is no place for an answer: that of the thoughts leads to it.
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

/** Thoughts that end with what would be forced, whatever stands in them, and don't open again. */
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

/** A prompt and the texts behind it that a model is to score, both as checked tokens. */
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

/** Scoring and search read a constraint from a text's first token on. */
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
