export const PROGRESS_INTERVAL_MS = 100;

/**
 * Runs a context's work and reports at an interval, by default ten times a second, how many tokens it has
 * drawn so far. An error that `report` throws ends the work and is thrown.
 */
export async function whileReporting<T>(
  context: { readonly progress: number; abort(): void },
  report: ((drawn: number) => void) | undefined,
  work: () => Promise<T>,
  intervalMs: number = PROGRESS_INTERVAL_MS,
): Promise<T> {
  if (report === undefined) return work();
  let failure: { error: unknown } | undefined;
  const timer = setInterval(() => {
    try {
      report(context.progress);
    } catch (error) {
      failure ??= { error }; // an error that is thrown in a timer would end the process
      context.abort();
    }
  }, intervalMs);
  try {
    return await work();
  } catch (error) {
    throw failure === undefined ? error : failure.error;
  } finally {
    clearInterval(timer);
  }
}
