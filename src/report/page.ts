/**
 * The frame of a report: one file that loads nothing, runs only its own script, and is readable without the
 * script.
 */
import { createHash } from "node:crypto";
import { VERSION } from "../version.js";
import { Html, html } from "./html.js";
import { STYLE } from "./style.js";

export interface Page {
  title: string;
  body: Html;
  /** CSS that this kind of page adds to the common style. */
  style?: string;
  /** An optional script. The page must be readable without it. */
  script?: string;
}

export function renderPage({ title, body, style = "", script }: Page): string {
  const policy = [
    "default-src 'none'",
    "style-src 'unsafe-inline'",
    ...(script === undefined ? [] : [`script-src 'sha256-${sha256(script)}'`]),
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${new Html(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="llama-ets ${VERSION}">
<title>${title}</title>
<style>${new Html(STYLE + style)}</style>
</head>
<body>
<main>
${body}
</main>
${script !== undefined && new Html(`<script>${script}</script>`)}
</body>
</html>
`;
  return page.markup;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}
