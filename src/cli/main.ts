#!/usr/bin/env node
import { exitWith, watchOutput } from "./exit.js";
import { createProgram } from "./program.js";

watchOutput();
try {
  await createProgram().parseAsync();
} catch (error) {
  exitWith(error);
}
