// Copies the fonts of figures beside the built code that uses them.
import { cpSync } from "node:fs";
import { fileURLToPath } from "node:url";

const at = (place) => fileURLToPath(new URL(`../${place}/report/fonts`, import.meta.url));
cpSync(at("src"), at("dist"), { recursive: true });
