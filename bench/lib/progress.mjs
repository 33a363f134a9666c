/** Shows a line on a terminal that the next one overwrites. The last one is erased. */
export function showProgress(text, isLast = false) {
  if (process.stderr.isTTY) process.stderr.write(isLast ? "\r\x1b[K" : `\r${text}   `);
}
