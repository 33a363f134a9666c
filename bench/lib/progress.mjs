/** One line on a terminal that the next overwrites; the last is wiped out. */
export function showProgress(text, isLast = false) {
  if (process.stderr.isTTY) process.stderr.write(isLast ? "\r\x1b[K" : `\r${text}   `);
}
