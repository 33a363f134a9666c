/** Groups the draws that one request can ask for. */
import type { GenerateRequest, Sequence } from "../sequences.js";
import { type RemoteSequence, read } from "./remote-sequence.js";

export type Draw = GenerateRequest["draws"][number];

/** The draws of one request. They continue the same text, and have the same length limit. */
export interface Group {
  parent: RemoteSequence;
  maxTokens: number;
  draws: { index: number; draw: Draw }[];
}

/** Groups draws by text and length limit. The budget of tokens is divided evenly among the draws. */
export function groupsOf(
  draws: readonly Draw[],
  maxTotalTokens: number,
  perRequest: number,
): Group[] {
  const most = Math.floor(maxTotalTokens / Math.max(1, draws.length));
  const groups: Group[] = [];
  const open = new Map<string, Group>();
  const numbers = new Map<Sequence, number>();
  for (const [index, draw] of draws.entries()) {
    // If the budget is less than one token for each draw, the first draws get one token each.
    const allowed = most > 0 ? most : index < maxTotalTokens ? 1 : 0;
    const maxTokens = Math.min(draw.maxTokens, allowed);
    if (maxTokens === 0) continue;
    const number = numbers.get(draw.parent) ?? numbers.size;
    numbers.set(draw.parent, number);
    const name = `${number} ${maxTokens}`;
    const group = open.get(name);
    if (group !== undefined && group.draws.length < perRequest) {
      group.draws.push({ index, draw });
      continue;
    }
    const next = { parent: read(draw.parent), maxTokens, draws: [{ index, draw }] };
    open.set(name, next);
    groups.push(next);
  }
  return groups;
}
