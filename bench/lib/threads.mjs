import { loadModel } from "llama-ets";

/** Returns the given number of threads, or else the number that `loadModel` chooses on this machine. */
export async function threadsFor(file, given, gpu = false) {
  if (given !== null) return given;
  const model = await loadModel(file, { gpu });
  await model.dispose();
  return model.threads;
}

export function threadCount(threads) {
  return `${threads} thread${threads === 1 ? "" : "s"}`;
}
