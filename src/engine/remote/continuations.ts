/**
 * Where a text that a server drew is cut: behind its answer, where a block ends, and, of servers that
 * take texts alone, where tokenising it again gives the tokens that were drawn. Each of these is known
 * from what comes before it, so that what was drawn behind it can be drawn anew by the same law.
 */
import type { AnswerEnd, BlockEnd, Continuation, GenerateRequest } from "../sequences.js";
import type { Drawn, DrawnPiece, ServerFacts } from "./server.js";

type Draw = GenerateRequest["draws"][number];

/** Tokens before a block's end among which it may end at a safe border. */
const SAFE_WINDOW = 8;

export interface Cut {
  pieces: readonly DrawnPiece[];
  finish: Continuation["finish"];
  /** Whether it can be handed over as text, and would have the same tokens. */
  isSafe: boolean;
}

export function cut(
  drawn: Drawn,
  draw: Draw,
  { answerEnd, pause }: Pick<GenerateRequest, "answerEnd" | "pause">,
  { before, prefixes }: { before: string; prefixes: ServerFacts["prefixes"] },
): Cut {
  const { pieces, finish } = drawn;
  const isText = prefixes === "texts";
  const mayPause = draw.keep && pause !== undefined && draw.pauseAfter !== undefined;
  // A block of texts ends at the first safe border of its last tokens.
  const fullFrom = isText ? Math.max(1, draw.maxTokens - SAFE_WINDOW) : draw.maxTokens;
  let text = before;
  let isBlock = false;
  for (const [i, piece] of pieces.entries()) {
    const count = i + 1;
    const own = piece.bytes.toString("utf8");
    text += own;
    if (drawn.endsWithToken && count === pieces.length) break;
    if (answerEnd !== null && hasAnswered(text, answerEnd)) {
      return { pieces: pieces.slice(0, count), finish: "answered", isSafe: false };
    }
    isBlock ||= mayPause && count >= (draw.pauseAfter ?? 1) && endsBlock(pause, own);
    if (!draw.keep || !(isBlock || count >= fullFrom)) continue;
    if (!isText || beginsPart(own)) {
      return { pieces: pieces.slice(0, count), finish: "length", isSafe: true };
    }
  }
  return { pieces, finish, isSafe: !isText };
}

/**
 * Whether a token begins what tokenizers read by itself: a word with the space before it, or white
 * space. All of it is then this one token, which a tokenizer finds again, whatever will follow.
 */
function beginsPart(piece: string): boolean {
  return /^\s/u.test(piece);
}

/** As the engine's own rule: `BlockEnd`. */
function endsBlock(pause: BlockEnd, piece: string): boolean {
  return piece.includes("\n") || (pause === "sentence" && /[.!?…。！？][ "')\]”’»]*$/u.test(piece));
}

function hasAnswered(text: string, { mark, end }: AnswerEnd): boolean {
  const marked = text.indexOf(mark);
  return marked >= 0 && text.indexOf(end, marked + mark.length) >= 0;
}
