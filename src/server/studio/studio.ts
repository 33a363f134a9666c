/** Serves the page at `/` and everything that it loads. */
import { readdir, readFile } from "node:fs/promises";
import { STYLE } from "../../report/style.js";
import { VERSION } from "../../version.js";
import type { App, AppOptions, Serving } from "../app-options.js";
import { describeMethods } from "./methods.js";
import { STUDIO_PAGE } from "./page-markup.js";
import { STUDIO_STYLE } from "./style.js";

/** The content security policy: the page runs only its own modules and connects only to its server. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><g fill="none" stroke="#0072b2" stroke-width="3"><path d="M4 16h8C18 16 18 6 28 6"/><path d="M12 16h16" opacity=".6"/><path d="M12 16c6 0 6 10 16 10" opacity=".3"/></g></svg>`;

/** The directory of the compiled package. The URLs under /studio/ follow its layout. */
const ROOT = new URL("../../", import.meta.url);
const PAGE = "server/studio/page/";
/** Modules that the page shares with the reports. */
const SHARED = ["report/format.js", "report/style.js", "report/run/answer-colors.js"];

async function loadModules(): Promise<Map<string, string>> {
  const own = await readdir(new URL(PAGE, ROOT));
  const names = [...own.filter((name) => name.endsWith(".js")).map((n) => PAGE + n), ...SHARED];
  const texts = names.map(async (name): Promise<[string, string]> => {
    const text = await readFile(new URL(name, ROOT), "utf8");
    return [name, text.replace(/^\/\/# sourceMappingURL=.*$/m, "")];
  });
  return new Map(await Promise.all(texts));
}

function describeModel({ name, kind, hasProposal, runs }: Serving) {
  const { description, parameters, contextLength } = runs.model.info;
  return {
    name,
    kind,
    description,
    parameters,
    contextLength,
    methods: describeMethods({ kind, hasProposal }),
  };
}

export function addStudio(app: App, { models, apiKey }: AppOptions): void {
  let modules: ReturnType<typeof loadModules> | undefined;
  const about = {
    version: VERSION,
    needsKey: apiKey !== undefined,
    models: models.map(describeModel),
  };

  app.use("/studio/*", async (c, next) => {
    await next();
    c.header("Cache-Control", "no-cache");
  });
  app.get("/", (c) => {
    c.header("Content-Security-Policy", POLICY);
    c.header("Cache-Control", "no-cache");
    return c.html(STUDIO_PAGE);
  });
  app.get("/studio/methods", (c) => c.json(about));
  app.get("/studio/style.css", (c) => {
    return c.body(STYLE + STUDIO_STYLE, 200, { "content-type": "text/css; charset=utf-8" });
  });
  app.get("/studio/icon.svg", (c) => c.body(ICON, 200, { "content-type": "image/svg+xml" }));
  app.get("/studio/:path{.+\\.js}", async (c) => {
    modules ??= loadModules();
    const text = (await modules).get(c.req.param("path"));
    if (text === undefined) return c.notFound();
    return c.body(text, 200, { "content-type": "text/javascript; charset=utf-8" });
  });
}
