#!/usr/bin/env node
import { bearNoHttpClient, exitWith, watchOutput } from "./exit.js";
import { createProgram } from "./program.js";

watchOutput();
bearNoHttpClient();
try {
  await createProgram().parseAsync();
} catch (error) {
  exitWith(error);
}
