/** The largest number from 1 to `most` that fits, if all below a fitting one do; 0 when none does. */
export function largest(most: number, fits: (count: number) => boolean): number {
  let [fitting, tooMany] = [0, most + 1];
  while (tooMany - fitting > 1) {
    const middle = Math.floor((fitting + tooMany) / 2);
    if (fits(middle)) fitting = middle;
    else tooMany = middle;
  }
  return fitting;
}
