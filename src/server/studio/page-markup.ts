/** The markup of the page before its script fills it in. */

export const STUDIO_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>llama-ets studio</title>
<link rel="icon" href="/studio/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/studio/style.css">
<script type="module" src="/studio/server/studio/page/main.js"></script>
</head>
<body>
<header class="top"><h1>llama-ets studio</h1><p id="model" class="note"></p></header>
<main class="studio">
<form id="form" class="card" autocomplete="off">
<label for="prompt">Prompt</label>
<textarea id="prompt" rows="5" required aria-describedby="keys"></textarea>
<div class="row" id="served-row" hidden>
<div><label for="served">Model</label><select id="served"></select></div>
</div>
<div class="row">
<div><label for="method">Method</label><select id="method"></select></div>
<div><label for="other">Compare with</label><select id="other"><option value="">nothing</option></select></div>
</div>
<p id="summary" class="note"></p>
<div class="row" id="key-row" hidden>
<div><label for="key">API key of this server</label><input id="key" type="password" autocomplete="off"></div>
</div>
<div class="buttons">
<button id="ask" type="submit" class="primary">Ask</button>
<button id="cancel" type="button" disabled>Cancel</button>
<label class="check"><input id="logprobs" type="checkbox" checked> token probabilities</label>
</div>
<p id="keys" class="note">Ctrl+Enter asks, Escape cancels.</p>
<details><summary>System message</summary>
<label for="system">What the model is told before the prompt</label>
<textarea id="system" rows="3"></textarea>
</details>
<details id="constraint-part"><summary>Constraint</summary>
<label for="constraint-kind">What the answer must be</label>
<select id="constraint-kind"><option value="">any text</option></select>
<div id="constraint-row" hidden>
<label for="constraint">The constraint</label>
<textarea id="constraint" rows="4" spellcheck="false" aria-describedby="constraint-help constraint-error"></textarea>
<small id="constraint-help"></small>
<p id="constraint-error" class="warning" role="alert" hidden></p>
</div>
</details>
<details id="settings-part"><summary>Settings</summary><div id="settings"></div></details>
<details><summary>Budget</summary><div id="budget"></div></details>
<details open><summary>Trace</summary>
<label for="trace">Open a trace of <code>ask --trace</code>, or drop one on the page</label>
<input id="trace" type="file" accept=".json,application/json">
</details>
<details open><summary>History</summary>
<ol id="history"></ol>
<button id="forget" type="button" hidden>Forget all</button>
</details>
</form>
<section id="runs" aria-label="Answers">
<p id="empty" class="note">Ask something: the answer's text, the candidates of each step and their votes appear here.</p>
</section>
</main>
<p id="status" class="status" role="status" aria-live="polite"></p>
<noscript><p class="warning">The studio needs JavaScript; the API under /v1 does not.</p></noscript>
</body>
</html>
`;
