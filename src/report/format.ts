/** Formats numbers for people. */

export function percent(share: number, digits = 0): string {
  return `${(100 * share).toFixed(digits)}%`;
}

/** Formats a number with groups of thousands and at most three significant digits after the decimal point. */
export function number(value: number): string {
  if (Math.abs(value) >= 100 || Number.isInteger(value)) {
    return Math.round(value).toLocaleString("en");
  }
  return String(Number(value.toPrecision(3)));
}

export function seconds(ms: number, digits = ms < 10_000 ? 2 : 1): string {
  return `${(ms / 1000).toFixed(digits)} s`;
}

/** Formats a p-value with three decimals, or as an upper bound. */
export function pValue(p: number): string {
  return p < 0.001 ? "< 0.001" : p.toFixed(3);
}

export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${number(count)} ${count === 1 ? noun : plural}`;
}

/** Returns a note below a table about methods that were measured by votes; empty if there are none. */
export function votesNote(
  methods: readonly { name: string; items: number; votes?: { samples: number; settled: number } }[],
): string[] {
  const voted = methods.flatMap(({ name, items, votes }) => {
    if (votes === undefined || items === 0) return [];
    return `${name}: ${number(votes.samples / items)} samples an item, ${votes.settled} of ${items} votes settled`;
  });
  if (voted.length === 0) return [];
  return [
    `With a total budget a sample is the vote of an item's samples, at the cost of all of them. ${voted.join("; ")}.`,
  ];
}
