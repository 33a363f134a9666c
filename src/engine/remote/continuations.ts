/**
 * Where a text that a server drew is cut: behind its answer, or where a block ends. Both are known from
 * what comes before, so that what was drawn behind can be drawn anew by the same law.
 */
import type { AnswerEnd, BlockEnd, Continuation, GenerateRequest } from "../sequences.js";
import type { Drawn, DrawnPiece } from "./server.js";

type Draw = GenerateRequest["draws"][number];

export interface Cut {
  pieces: readonly DrawnPiece[];
  finish: Continuation["finish"];
  /** Whether it was cut before the server's own end. */
  isShorter: boolean;
}

/** @param before what the text has before what was drawn */
export function cut(
  drawn: Drawn,
  draw: Pick<Draw, "keep" | "pauseAfter">,
  { answerEnd, pause }: Pick<GenerateRequest, "answerEnd" | "pause">,
  before: string,
): Cut {
  const { pieces, finish } = drawn;
  const pauseAfter = draw.keep && pause !== undefined ? draw.pauseAfter : undefined;
  let text = before;
  for (const [i, piece] of pieces.entries()) {
    const count = i + 1;
    if (drawn.endsWithToken && count === pieces.length) break;
    const own = piece.bytes.toString("utf8");
    text += own;
    const hasEnded = answerEnd !== null && hasAnswered(text, answerEnd);
    const pauses =
      pauseAfter !== undefined &&
      count >= pauseAfter &&
      pause !== undefined &&
      endsBlock(pause, own);
    if (!hasEnded && !pauses) continue;
    const isShorter = count < pieces.length;
    return {
      pieces: pieces.slice(0, count),
      finish: hasEnded ? "answered" : "length",
      isShorter,
    };
  }
  return { pieces, finish, isShorter: false };
}

/** As the engine's own rule: `BlockEnd`. */
function endsBlock(pause: BlockEnd, piece: string): boolean {
  return piece.includes("\n") || (pause === "sentence" && /[.!?…。！？][ "')\]”’»]*$/u.test(piece));
}

function hasAnswered(text: string, { mark, end }: AnswerEnd): boolean {
  const marked = text.indexOf(mark);
  return marked >= 0 && text.includes(end, marked + mark.length);
}

/**
 * Whether a text ends with a whole character. Within one, what was drawn can't be handed over as text:
 * the server shows a replacement, or nothing yet.
 */
export function endsWhole(pieces: readonly DrawnPiece[]): boolean {
  const last = pieces.at(-1)?.bytes.toString("utf8");
  return last !== undefined && last !== "" && !last.endsWith("\ufffd");
}
