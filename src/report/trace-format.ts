/** The value of `format` in a trace file. */
export const TRACE_FORMAT = "llama-ets-trace/1";
