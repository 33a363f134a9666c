export const PROGRESS_INTERVAL_MS = 100;

/**
 * Does a context's work and reports every so often, by default about ten times a second, how many
 * tokens it has drawn so far. What `report` throws ends the work.
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
      failure ??= { error }; // thrown in a timer, it would end the process
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
