import { SingleBar } from "cli-progress";

/** Shown only when an operation has taken this long. */
const DELAY_MS = 400;

export interface ProgressBar {
  /** `progress` from 0 to 1; the label stands behind the bar. */
  show(progress: number, label: string): void;
  /** Removes the bar. */
  close(): void;
}

/** A bar on stderr, on a terminal only. */
export function progressBar(): ProgressBar {
  if (!process.stderr.isTTY) return { show: () => {}, close: () => {} };
  const started = performance.now();
  const bar = new SingleBar({
    format: "{bar} {percentage}%  {label}",
    stream: process.stderr,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
  });
  let isOpen = false;
  return {
    show(progress, label) {
      if (performance.now() - started < DELAY_MS) return;
      if (!isOpen) bar.start(100, 0, { label });
      isOpen = true;
      bar.update(Math.floor(progress * 100), { label });
    },
    close() {
      if (isOpen) bar.stop();
      isOpen = false;
    },
  };
}
