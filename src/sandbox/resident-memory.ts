/** Measures the resident memory of a process and its descendants. */
import { readFileSync } from "node:fs";

const PAGE_BYTES = 4096;

/** The resident memory in bytes, from Linux' /proc; 0 on other systems and for a process that has ended. */
export function residentBytes(pid: number | undefined): number {
  if (pid === undefined || process.platform !== "linux") return 0;
  const pages = Number(read(`/proc/${pid}/statm`).split(" ")[1] ?? 0);
  const children = read(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean);
  return children.reduce((sum, child) => sum + residentBytes(Number(child)), pages * PAGE_BYTES);
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
