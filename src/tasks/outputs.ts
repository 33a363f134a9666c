/** Finds in a model's output what all graders need: the part without thoughts, and the boxes. */

/**
 * Everything up to the end of a model's thoughts: their closing mark, or the mark of the answer's channel.
 */
const THOUGHTS_END =
  /^[\s\S]*(?:<\/(?:think|thinking|thoughts?|reasoning|seed:think)>|\[\/THINK\]|◁\/think▷|<\|(?:end_of_thought|END_THINKING)\|>|<\|channel\|>final[^<]*<\|message\|>|\bassistantfinal)/;
/** A token that ends a turn, for outputs that were decoded with special tokens. */
const TURN_END =
  /(?:<\|(?:im_end|eot_id|eom_id|end|endoftext|end_of_text|return)\|>|<\/s>|<end_of_turn>|<eos>)$/;
const LONGEST_TURN_END = "<|end_of_text|>".length;

/** Returns the output after its last thought, without the tokens that end a turn. */
export function withoutThoughts(output: string): string {
  const said = output.replace(THOUGHTS_END, "");
  let end = said.length;
  // The tokens are removed one at a time. A pattern for all of them would restart at each token, which takes
  // quadratic time.
  for (;;) {
    let at = end;
    while (at > 0 && /\s/.test(said[at - 1] as string)) at--;
    const mark = TURN_END.exec(said.slice(Math.max(0, at - LONGEST_TURN_END), at));
    if (mark === null) return said.slice(0, end);
    end = at - mark[0].length;
  }
}

const DELIMITER = /\\[()[\]]|\$\$|(?<!\\)\$/g;
const CLOSING: Record<string, string> = { "\\(": "\\)", "\\[": "\\]", $$: "$$", $: "$" };

/**
 * Returns whether the text ends within a formula, a calculation, a thought or a sentence, for example because
 * a token limit cut it off. The end of such a text is no answer.
 */
export function isCutOff(text: string): boolean {
  if (/^\s*<(?:think|thinking|thought|reasoning)>/.test(text)) return true;
  if (/\s(?:[-+*/=\u00d7\u00f7\u00b7]|\\(?:times|cdot|div))\s*$/.test(text)) return true;
  if (isUnfinished(text)) return true;
  const tail = text.slice(text.lastIndexOf("\n\n") + 1);
  let [mark, from] = ["", 0];
  for (const { 0: found, index } of tail.matchAll(DELIMITER)) {
    if (mark === "" && CLOSING[found] !== undefined) [mark, from] = [found, index + found.length];
    else if (found === CLOSING[mark]) mark = "";
  }
  // A dollar sign before a digit may be a currency.
  const formula = mark === "$" ? /^(?!\d).*(?:\\[A-Za-z]|[\^_])/s : /[^\s]/;
  return mark !== "" && formula.test(tail.slice(from));
}

/** Returns the last non-empty sentence or line. */
export function lastSentence(text: string): string {
  return (
    text
      .trim()
      .split(/(?<=[.!?])\s+|\n+/)
      .at(-1) ?? ""
  );
}

/** Returns whether a text is long and its last sentence has neither a number nor an end. */
function isUnfinished(text: string): boolean {
  const sentence = lastSentence(text)
    .replace(/^\W*(?:step|case)\s+\d+/i, "")
    .trim();
  const isOpen = /^(?:\S+\s+){3,}\S*\p{Ll}$/u.test(sentence.slice(-500)) && !/\d/.test(sentence);
  return isOpen && text.length > 200;
}

export interface Box {
  content: string;
  /** The text before the box, from the previous box or the start. */
  before: string;
}

/**
 * Returns all boxes in order, with balanced braces. `\boxed 5` contains one token. A box that never closes is
 * left out.
 */
export function boxesIn(text: string): Box[] {
  const boxes: Box[] = [];
  const closings = closingBraces(text);
  let last = 0;
  for (const match of text.matchAll(/\\[fc]?box(?:ed)?\s*(?:\{|(\w)(?!\w)|(\d+))/g)) {
    if (match.index < last) continue; // the box is inside the previous box
    const from = match.index + match[0].length;
    const bare = match[1] ?? match[2];
    const end = bare === undefined ? closings.get(from - 1) : from;
    if (end === undefined) continue;
    const content = bare ?? text.slice(from, end - 1).trim();
    boxes.push({ content, before: text.slice(last, match.index) });
    last = end;
  }
  return boxes;
}

/** Maps the index of each closed opening brace to the index after its closing brace. */
function closingBraces(text: string): Map<number, number> {
  const closings = new Map<number, number>();
  const open: number[] = [];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "{") open.push(i);
    else if (text[i] === "}" && open.length > 0) closings.set(open.pop() as number, i + 1);
  }
  return closings;
}
