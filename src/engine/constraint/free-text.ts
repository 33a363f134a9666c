/** Grammar rules for the texts that don't contain certain other texts. */
import { choice, complement, EMPTY, type Grammar, rule, sequence, set } from "./expression.js";

/**
 * Rules for all texts that contain none of the banned texts; they may end anywhere. The rules are the
 * states of the Aho-Corasick automaton. Each state is the longest prefix of a banned text with which the
 * text so far ends.
 *
 * @param banned at least one text; none is empty
 * @param prefix the prefix of the rules' names; the start rule is `${prefix}-0`
 */
export function textsWithout(banned: readonly string[], prefix: string): Grammar {
  const beginnings = banned.flatMap((each) => {
    const characters = [...each];
    return characters.map((_, i) => characters.slice(0, i).join(""));
  });
  const states = [...new Set(beginnings)].sort((a, b) => a.length - b.length);
  const nameOf = (state: string) => `${prefix}-${states.indexOf(state)}`;
  const rules: Grammar = new Map();
  for (const state of states) {
    const byNext = new Map<string, string[]>();
    const alphabet = new Set(banned.flatMap((each) => [...each]));
    for (const character of alphabet) {
      const longer = state + character;
      if (banned.some((each) => longer.endsWith(each))) continue;
      const next = states.findLast((other) => longer.endsWith(other)) as string;
      byNext.set(next, [...(byNext.get(next) ?? []), character]);
    }
    const ranges = (characters: Iterable<string>) =>
      Array.from(characters, (character): [number, number] => {
        const point = character.codePointAt(0) as number;
        return [point, point];
      });
    const steps = [...byNext].map(([next, characters]) =>
      sequence(set(ranges(characters)), rule(nameOf(next))),
    );
    const others = sequence(set(complement(ranges(alphabet))), rule(nameOf("")));
    rules.set(nameOf(state), choice([EMPTY, ...steps, others]));
  }
  return rules;
}
