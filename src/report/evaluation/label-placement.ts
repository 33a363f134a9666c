/** Places labels beside points, so that they cover neither each other nor other points. */

export interface Point {
  /** In pixels. */
  x: number;
  y: number;
  label: string;
}

export interface Placement {
  /** The offset of the text's anchor from the point, in pixels. */
  dx: number;
  dy: number;
  anchor: "start" | "end" | "middle";
}

interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

const LINE = 14;
/** Approximate widths in pixels of letters at 12 pixels, by class of letters. */
const WIDTHS: readonly [letters: RegExp, width: number][] = [
  [/[ijl.,:;|'!]/, 3.5],
  [/[frtI() -]/, 4.9],
  [/[mwMW@%…]/, 11],
  [/./s, 7.2],
];
const GAP = 9;

const PLACES: readonly Placement[] = [
  { dx: GAP, dy: 0, anchor: "start" },
  { dx: -GAP, dy: 0, anchor: "end" },
  ...[-1, 1].flatMap((side): Placement[] =>
    [1, 1.7, 2.6].flatMap((far): Placement[] => [
      { dx: GAP - 3, dy: side * far * LINE, anchor: "start" },
      { dx: 3 - GAP, dy: side * far * LINE, anchor: "end" },
    ]),
  ),
];

/** Puts each label at its first free place, or at the first place of all if none is free. */
export function placeLabels(points: readonly Point[], frame: Box): Placement[] {
  const taken: Box[] = points.map(({ x, y }) => ({
    left: x - 6,
    right: x + 6,
    top: y - 6,
    bottom: y + 6,
  }));
  return points.map((point, own) => {
    const isFree = (place: Placement) => {
      const box = boxOf(point, place);
      const isInside =
        box.left >= frame.left &&
        box.right <= frame.right &&
        box.top >= frame.top &&
        box.bottom <= frame.bottom;
      return isInside && !taken.some((other, i) => i !== own && overlaps(box, other));
    };
    const place = PLACES.find(isFree) ?? (PLACES[0] as Placement);
    taken.push(boxOf(point, place));
    return place;
  });
}

/** Returns the approximate width of a label in pixels. */
export function widthOf(label: string): number {
  const width = (letter: string) => WIDTHS.find(([letters]) => letters.test(letter))?.[1] ?? 0;
  return [...label].reduce((sum, letter) => sum + width(letter), 0);
}

function boxOf({ x, y, label }: Point, { dx, dy, anchor }: Placement): Box {
  const width = widthOf(label);
  const left = anchor === "start" ? x + dx : x + dx - width;
  return { left, right: left + width, top: y + dy - LINE / 2, bottom: y + dy + LINE / 2 };
}

function overlaps(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
