/** Runs requests to a server side by side, and ends them together. */
import { setMaxListeners } from "node:events";

/** The longest time of a timer in Node. */
const LONGEST_MS = 2 ** 31 - 1;

interface Ends {
  /** Aborts the requests, and its reason is thrown. */
  aborted: AbortSignal;
  /** The time after which requests are aborted without an error; null for no limit. */
  timeLimitMs: number | null;
}

/** Works on all items side by side, and waits for all. A failure aborts the others, and is thrown. */
export async function requestTogether<T>(
  items: readonly T[],
  { aborted, timeLimitMs }: Ends,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  aborted.throwIfAborted();
  const calls = new AbortController();
  const { signal } = calls;
  setMaxListeners(0, signal); // many listeners are no leak here: each request has one
  const end = () => calls.abort(aborted.reason);
  aborted.addEventListener("abort", end, { once: true });
  let isLate = false;
  const stop = () => {
    isLate = !signal.aborted;
    calls.abort();
  };
  const timer =
    timeLimitMs === null ? undefined : setTimeout(stop, Math.min(timeLimitMs, LONGEST_MS));
  try {
    await Promise.all(
      items.map((item) => work(item, signal).catch((error: unknown) => calls.abort(error))),
    );
  } finally {
    clearTimeout(timer);
    aborted.removeEventListener("abort", end);
  }
  if (!isLate) signal.throwIfAborted();
}
