#!/usr/bin/env node
import { exitWith, ignoreMissingHttpClient, watchOutput } from "./exit.js";
import { createProgram } from "./program.js";

watchOutput();
ignoreMissingHttpClient();
try {
  await createProgram().parseAsync();
} catch (error) {
  exitWith(error);
}
