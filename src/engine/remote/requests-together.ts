/** Requests to a server that are made together, and end together. */
import { setMaxListeners } from "node:events";

/** The longest that a timer takes. */
const LONGEST_MS = 2 ** 31 - 1;

interface Ends {
  /** Ends the requests; its reason is thrown. */
  aborted: AbortSignal;
  /** Ends the requests without an error; null: no limit. */
  timeLimitMs: number | null;
}

/** Works on all items side by side, and waits until no work goes on. One failure ends the others and is thrown. */
export async function requestTogether<T>(
  items: readonly T[],
  { aborted, timeLimitMs }: Ends,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  aborted.throwIfAborted();
  const calls = new AbortController();
  const { signal } = calls;
  setMaxListeners(0, signal); // one a request is no leak to warn of
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
