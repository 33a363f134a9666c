/**
 * A number as typed. What is not one becomes NaN, which the library refuses by the option's name
 * and range.
 */
export function numberOption(text: string): number {
  return text.trim() === "" ? Number.NaN : Number(text);
}
