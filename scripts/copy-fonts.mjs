// Puts the figures' fonts beside the built code that draws with them.
import { cpSync } from "node:fs";
import { fileURLToPath } from "node:url";

const at = (place) => fileURLToPath(new URL(`../${place}/report/fonts`, import.meta.url));
cpSync(at("src"), at("dist"), { recursive: true });
