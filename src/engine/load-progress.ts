/** The current phase of loading, and its progress from 0 to 1. */
export interface LoadProgress {
  phase: "download" | "load";
  progress: number;
  /** Downloaded bytes of the file; for a split model, of the part that is being downloaded. */
  downloaded?: number;
  /** The size of that file in bytes; 0 if the server doesn't report it. */
  total?: number;
  /** The download's size, and whether it fits this machine. Given once, before the download starts. */
  note?: string;
  /** Why the download has paused, for example because the server refused, and when it is retried. */
  retrying?: string;
}
