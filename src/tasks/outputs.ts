/** What the graders of all tasks look for in a model's output: its answer, not its thoughts; its boxes. */

/** What ends a model's thoughts: its own mark, or that of the channel with its answer. */
const THOUGHTS_END =
  /^[\s\S]*(?:<\/(?:think|thinking|thoughts?|reasoning|seed:think)>|\[\/THINK\]|◁\/think▷|<\|(?:end_of_thought|END_THINKING)\|>|<\|channel\|>final[^<]*<\|message\|>|\bassistantfinal)/;
/** A token that ends a turn, where the output was decoded with them. */
const TURN_END =
  /(?:<\|(?:im_end|eot_id|eom_id|end|endoftext|end_of_text|return)\|>|<\/s>|<end_of_turn>|<eos>)$/;
const LONGEST_TURN_END = "<|end_of_text|>".length;

/** The output behind its last thought, without the tokens that end a turn. */
export function withoutThoughts(output: string): string {
  const said = output.replace(THOUGHTS_END, "");
  let end = said.length;
  // One at a time: a pattern for all of them begins anew at each.
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
 * Whether the text ends within a formula, a calculation, a thought or a sentence, as where a limit of
 * tokens cut it off. What it says last is then no answer.
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
  // A dollar before a digit may be a currency.
  const formula = mark === "$" ? /^(?!\d).*(?:\\[A-Za-z]|[\^_])/s : /[^\s]/;
  return mark !== "" && formula.test(tail.slice(from));
}

/** The last sentence, or line, that isn't empty. */
export function lastSentence(text: string): string {
  return (
    text
      .trim()
      .split(/(?<=[.!?])\s+|\n+/)
      .at(-1) ?? ""
  );
}

/** A long text whose last sentence has no number and no end. */
function isUnfinished(text: string): boolean {
  const sentence = lastSentence(text)
    .replace(/^\W*(?:step|case)\s+\d+/i, "")
    .trim();
  const isOpen = /^(?:\S+\s+){3,}\S*\p{Ll}$/u.test(sentence.slice(-500)) && !/\d/.test(sentence);
  return isOpen && text.length > 200;
}

export interface Box {
  content: string;
  /** The text before the box, up to the previous one or the start. */
  before: string;
}

/** All boxes in order, with braces balanced; `\boxed 5` has one token, and one that never closes is none. */
export function boxesIn(text: string): Box[] {
  const boxes: Box[] = [];
  const closings = closingBraces(text);
  let last = 0;
  for (const match of text.matchAll(/\\[fc]?box(?:ed)?\s*(?:\{|(\w)(?!\w)|(\d+))/g)) {
    if (match.index < last) continue; // inside the box before
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

/** For the place of each opening brace that is closed, the place behind the one that closes it. */
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
