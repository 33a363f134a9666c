/**
 * Finds the largest integer from 1 to `most` that fits, or 0 if none does, by binary search. Every
 * integer below a fitting one must fit too.
 */
export function largest(most: number, fits: (count: number) => boolean): number {
  let [fitting, tooMany] = [0, most + 1];
  while (tooMany - fitting > 1) {
    const middle = Math.floor((fitting + tooMany) / 2);
    if (fits(middle)) fitting = middle;
    else tooMany = middle;
  }
  return fitting;
}
