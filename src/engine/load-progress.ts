/** A phase of loading, with progress from 0 to 1. */
export interface LoadProgress {
  phase: "download" | "load";
  progress: number;
  /** Bytes of the file, while downloading; of a split model, of the part that is on its way. */
  downloaded?: number;
  /** 0 where the server doesn't say. */
  total?: number;
  /** Said once, before a download is written: how large it is, and whether it fits this machine. */
  note?: string;
  /** Why nothing came, and what is done about it: the server refused, and is asked again. */
  retrying?: string;
}
