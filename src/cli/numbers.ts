import { InvalidArgumentError } from "commander";

/** A number as typed. The library checks its range. */
export function numberOption(text: string): number {
  const number = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isNaN(number)) throw new InvalidArgumentError("Expected a number.");
  return number;
}

/** A number as typed, or `auto`. */
export function numberOrAuto(text: string): number | "auto" {
  return text === "auto" ? text : numberOption(text);
}

/** A number, or several between commas. */
export function numbersOption(text: string): number | number[] {
  const numbers = text.split(",").map(numberOption);
  return numbers.length === 1 ? (numbers[0] as number) : numbers;
}
