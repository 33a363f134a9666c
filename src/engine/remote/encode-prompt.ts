/** Converts a prompt to the form that a server reads, by the server's chat template and tokenizer. */
import type { EncodedPrompt, Prompt, PromptOptions } from "../chat/conversation.js";
import { withoutPrefill } from "../chat/encode.js";
import type { PlainMessage } from "../chat/messages.js";
import { renderConversation } from "../chat/render.js";
import { LlamaEtsError, messageOf } from "../errors.js";
import { checkTokens, NO_CHAT, readPrompt, refuseEmpty } from "../prompt.js";
import { TextFailure } from "../text/text-failure.js";
import { lacks, type RemoteVocabulary } from "./remote-vocabulary.js";
import type { Server } from "./server.js";

/** Throws as the local engine does, and `ERR_UNSUPPORTED_MODEL` for features that the server lacks. */
export async function encodeRemotely(
  server: Server,
  vocabulary: RemoteVocabulary,
  prompt: Prompt,
  options: PromptOptions,
): Promise<EncodedPrompt> {
  const asked = readPrompt(prompt, options);
  if (asked.kind === "tokens") {
    if (server.facts.prefixes === "texts") throw lacks("A prompt of token ids");
    const tokens = checkTokens("prompt", asked.tokens, server.facts.vocabSize);
    return { tokens, text: "", specials: [], ...NO_CHAT };
  }
  if (asked.kind === "raw") return encodeText(server, vocabulary, asked.text);
  const { reasoning, tools, template } = asked.options;
  if (reasoning !== null) throw lacks("`reasoning` (--reasoning)");
  if (tools.length > 0) throw lacks("`tools` (--tools)");
  await server.checkMessages(asked.messages);
  const { turns, prefill } = withoutPrefill(asked.messages);
  if (template !== undefined) {
    return encodeText(server, vocabulary, (await render(turns, template)) + prefill);
  }
  if (server.applyTemplate === undefined) {
    throw new LlamaEtsError("ERR_NO_CHAT_TEMPLATE", "The server offers no chat template", {
      fix: "a template (--chat-template FILE, or a name such as chatml), or raw: true (--raw) with the prompt written out as the model expects it",
    });
  }
  const { text, ids } = await server.applyTemplate(turns);
  if (ids === null) return encodeText(server, vocabulary, text + prefill);
  if (prefill !== "") throw lacks("An answer that goes on from a last message of the assistant");
  return encoded(ids, text);
}

async function encodeText(
  server: Server,
  vocabulary: RemoteVocabulary,
  text: string,
): Promise<EncodedPrompt> {
  if (text === "") refuseEmpty();
  // If a server doesn't report tokens, the whole text counts as one token here.
  const whole = () => [vocabulary.idOf({ id: null, bytes: Buffer.from(text) })];
  return encoded((await server.tokenize?.(text)) ?? whole(), text);
}

function encoded(tokens: readonly number[], text: string): EncodedPrompt {
  if (tokens.length === 0) refuseEmpty();
  return { tokens: Int32Array.from(tokens), text, specials: [], ...NO_CHAT };
}

async function render(messages: readonly PlainMessage[], template: string): Promise<string> {
  try {
    // The server adds the BOS token itself.
    const settings = { template, bos: "", eos: "", variables: {} };
    return (await renderConversation({ messages, tools: [] }, settings)).text;
  } catch (error) {
    if (!(error instanceof TextFailure)) throw error;
    const message = `\`chatTemplate\` could not be rendered: ${messageOf(error)}`;
    throw new LlamaEtsError("ERR_INVALID_OPTION", message, {
      fix: "raw: true (--raw), or another template (--chat-template)",
      cause: error,
    });
  }
}
