/**
 * Cuts a text that a server drew, after its answer or at the end of a block. Both places depend only on
 * the text before them. So the tokens after the cut can be drawn again from the same distribution.
 */
import type { AnswerEnd, BlockEnd, Continuation, GenerateRequest } from "../sequences.js";
import type { Drawn, DrawnPiece } from "./server.js";

type Draw = GenerateRequest["draws"][number];

/** The kept part of a continuation. */
export interface Cut {
  pieces: readonly DrawnPiece[];
  finish: Continuation["finish"];
  /** Whether the text was cut before the end of what the server drew. */
  isShorter: boolean;
}

/** @param before the text before the drawn tokens */
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

/** The same rule as the local engine's: see `BlockEnd`. */
function endsBlock(pause: BlockEnd, piece: string): boolean {
  return piece.includes("\n") || (pause === "sentence" && /[.!?…。！？][ "')\]”’»]*$/u.test(piece));
}

function hasAnswered(text: string, { mark, end }: AnswerEnd): boolean {
  const marked = text.indexOf(mark);
  return marked >= 0 && text.includes(end, marked + mark.length);
}

/**
 * Whether a text ends with a complete character. If it ends inside one, it can't be sent as text: the
 * server has returned a replacement character for the partial one, or nothing.
 */
export function endsWhole(pieces: readonly DrawnPiece[]): boolean {
  const last = pieces.at(-1)?.bytes.toString("utf8");
  return last !== undefined && last !== "" && !last.endsWith("\ufffd");
}
