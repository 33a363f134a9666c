import { InvalidArgumentError } from "commander";

/** Parses a number. The library checks its range. */
export function numberOption(text: string): number {
  const number = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isNaN(number)) throw new InvalidArgumentError("Expected a number.");
  return number;
}

/** Parses a number or `auto`. */
export function numberOrAuto(text: string): number | "auto" {
  return text === "auto" ? text : numberOption(text);
}

/** Parses a number, or several separated by commas. */
export function numbersOption(text: string): number | number[] {
  const numbers = text.split(",").map(numberOption);
  return numbers.length === 1 ? (numbers[0] as number) : numbers;
}
