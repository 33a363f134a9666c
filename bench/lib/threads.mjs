import { loadModel } from "llama-ets";

/** The threads that `loadModel` decodes with on this machine as it is now, unless they are given. */
export async function threadsFor(file, given, gpu = false) {
  if (given !== null) return given;
  const model = await loadModel(file, { gpu });
  await model.dispose();
  return model.threads;
}

export function threadCount(threads) {
  return `${threads} thread${threads === 1 ? "" : "s"}`;
}
