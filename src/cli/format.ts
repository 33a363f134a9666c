/** Formats numbers for the terminal, in addition to the formats of reports. */

/** Formats bytes as `2.5 GiB`, or in MiB below one GiB. */
export function bytes(count: number): string {
  const [divisor, unit] = count < 2 ** 30 ? [2 ** 20, "MiB"] : [2 ** 30, "GiB"];
  const value = count / divisor;
  return `${value.toFixed(value < 100 ? 1 : 0)} ${unit}`;
}

/** Returns the number of GiB with one decimal and without the unit. */
export function gibibytes(count: number): string {
  return (count / 2 ** 30).toFixed(1);
}

/** Formats tokens per second. */
export function rate({ generated, ms }: { generated: number; ms: number }): string {
  return `${Math.round((generated / ms) * 1000)} tokens/s`;
}

/** Formats a duration as `3m 20s`. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes}m ${seconds % 60}s`
    : `${Math.floor(minutes / 60)}h ${minutes % 60}m`;
}

/** Formats percentage points with their sign. */
export function points(share: number): string {
  const shown = Math.abs(100 * share).toFixed(1);
  return shown === "0.0" ? shown : `${share > 0 ? "+" : "−"}${shown}`;
}
