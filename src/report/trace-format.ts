/** What a trace file's `format` says. */
export const TRACE_FORMAT = "llama-ets-trace/1";
