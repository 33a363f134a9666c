import { Command } from "commander";
import pc from "picocolors";
import { bundledModels } from "../../engine/bundled-models.js";
import { nearestOf } from "../../engine/check.js";
import {
  type CheckedModel,
  checkKept,
  findKept,
  type KeptModel,
  keptModels,
  removeKept,
} from "../../engine/download/kept-models.js";
import { LlamaEtsError } from "../../engine/errors.js";
import { interruptSignal } from "../exit.js";
import { addPlaceOptions } from "../model-flags.js";
import { printable } from "../printable.js";
import { type Flags as ListFlags, listModels } from "./models-list.js";

export function modelsCommand(command: Command): Command {
  return addPlaceOptions(command)
    .option("--json", "print one JSON object")
    .allowExcessArguments()
    .action((flags: ListFlags, { args: [unknown] }: Command) => {
      if (unknown !== undefined) refuseUnknown(unknown);
      return listModels(flags);
    })
    .addCommand(
      new Command("rm")
        .description("Remove downloaded models, with all of their parts.")
        .argument("<name...>", "names as `models` lists them")
        .option("--json", "print one JSON object")
        .action(removeModels),
    )
    .addCommand(
      new Command("check")
        .description("Read downloaded models again: header, parts, and the hub's checksums.")
        .argument("[name...]", "names as `models` lists them (default: all)")
        .option("--json", "print one JSON object")
        .action(checkModels),
    );
}

interface Flags {
  json?: boolean;
}

function refuseUnknown(name: string): never {
  const known = ["rm", "check"];
  throw new LlamaEtsError("ERR_INVALID_OPTION", `Unknown command: models ${name}`, {
    fix: `llama-ets models ${nearestOf(name, known) ?? "--help"}`,
  });
}

/** Returns `--json`. The parent command has the same flag and takes it first. */
function isJson(flags: Flags, command: Command): boolean {
  return flags.json ?? command.parent?.opts<Flags>().json ?? false;
}

/** Removes models. Nothing is removed unless all names are known. */
async function removeModels(names: string[], flags: Flags, command: Command): Promise<void> {
  const models: KeptModel[] = [];
  for (const name of new Set(names)) models.push(await findRemovable(name));
  for (const model of models) {
    await removeKept(model);
    if (!isJson(flags, command)) console.log(`removed ${printable(model.path)}`);
  }
  if (isJson(flags, command)) console.log(JSON.stringify({ removed: models }));
}

function findRemovable(name: string): Promise<KeptModel> {
  if (!bundledModels().some((model) => model.name === name)) return findKept(name);
  throw new LlamaEtsError("ERR_INVALID_OPTION", `${name} is part of the package`, {
    fix: "a name that `llama-ets models` lists under Downloaded",
  });
}

async function checkModels(names: string[], flags: Flags, command: Command): Promise<void> {
  const { addon } = await import("../../engine/local/native.js");
  const { openEngine } = await import("../../engine/local/open-engine.js");
  const signal = interruptSignal();
  const models: KeptModel[] = [];
  for (const name of new Set(names)) models.push(await findKept(name));
  if (names.length === 0) models.push(...(await keptModels()));
  await openEngine(false);
  const checked: CheckedModel[] = [];
  for (const model of models) {
    const found = await checkKept(model, async (file) => addon().checkModel(file), signal);
    checked.push(found);
    if (!isJson(flags, command)) console.log(formatCheck(found));
  }
  if (isJson(flags, command)) console.log(JSON.stringify({ models: checked }));
  else if (checked.length === 0) console.log("  no model was downloaded");
  const broken = checked.filter((model) => model.broken !== undefined);
  if (broken.length === 0) return;
  throw new LlamaEtsError("ERR_INVALID_DATA", `${broken.length} of ${checked.length} are broken`, {
    fix: `llama-ets models rm ${broken.map(({ name }) => printable(name)).join(" ")}; they are downloaded anew when they are named`,
  });
}

function formatCheck({ name, broken, checksum }: CheckedModel): string {
  if (broken !== undefined) return pc.red(printable(`  broken  ${name}: ${broken}`));
  const how = checksum ? "the hub's SHA-256" : "whole; the hub gave no SHA-256 when it came";
  return `  ok      ${printable(name)}  ${pc.dim(how)}`;
}
