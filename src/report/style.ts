/** The common style of all reports: for screens of any width, light and dark, and for paper. */

/**
 * The number of series colours. People with any kind of colour vision can distinguish them (after Okabe and
 * Ito).
 */
export const SERIES = 8;

/** Returns the colour of a series as CSS. The colours repeat after the eighth. */
export function seriesColor(index: number): string {
  return `var(--series-${index % SERIES})`;
}

/** The number of levels of the scale from the lowest reward to the highest. */
export const REWARD_LEVELS = 7;

export function rewardColor(level: number): string {
  return `var(--reward-${level})`;
}

export const STYLE = `
:root {
  --paper: #fbfaf7; --card: #fff; --ink: #1d1c1a; --dim: #65625b; --line: #e3e0d8; --soft: #f1efe8;
  --accent: #0a6a9f; --mark: #fff3cf; --warn: #9a4a00; --right: #0b6fa8; --wrong: #f0d9c4;
  --series-0: #0072b2; --series-1: #d55e00; --series-2: #00845f; --series-3: #b0568e;
  --series-4: #a87400; --series-5: #2f9fd0; --series-6: #5d5d5d; --series-7: #7d6fc4;
  --reward-0: #b9c4cf; --reward-1: #96b4cc; --reward-2: #6fa3c8; --reward-3: #4690c2; --reward-4: #1c7bb6;
  --reward-5: #0a6299; --reward-6: #084a75;
  --sans: ui-sans-serif, system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  --serif: "Iowan Old Style", "Palatino Linotype", Palatino, "URW Palladio L", Charter, Georgia, serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16171a; --card: #1e2024; --ink: #eceae5; --dim: #a3a09a; --line: #34363c; --soft: #26282d;
    --accent: #6cbcf0; --mark: #302b1c; --warn: #f2a65a; --right: #58aee4; --wrong: #54402f;
    --series-0: #5cb2ea; --series-1: #f58a4b; --series-2: #35c59a; --series-3: #e39bc6;
    --series-4: #e8b548; --series-5: #9ad5f5; --series-6: #b9b9b9; --series-7: #b3a8ee;
    --reward-0: #4a5058; --reward-1: #45606f; --reward-2: #417389; --reward-3: #4289a8; --reward-4: #4fa2ca;
    --reward-5: #74bfe6; --reward-6: #b5e2fb;
  }
}
* { box-sizing: border-box }
html { -webkit-text-size-adjust: 100% }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 var(--sans); overflow-wrap: break-word }
main { max-width: 1080px; margin: 0 auto; padding: 40px 28px 72px }
h1, h2, h3 { line-height: 1.25; font-weight: 600; text-wrap: balance }
h1 { font: 600 1.9rem/1.25 var(--serif); margin: .2em 0 .5em }
h2 { font: 600 1.35rem/1.3 var(--serif); margin: 2.4em 0 .5em }
h3 { font-size: 1rem; margin: 0 }
p { margin: .5em 0; max-width: 68ch }
a { color: var(--accent) }
.kicker { color: var(--dim); font-size: .82rem; letter-spacing: .07em; text-transform: uppercase; margin: 0 }
.note { color: var(--dim); font-size: .9rem }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 20px 22px }
.warning { border-left: 4px solid var(--warn); background: var(--card); padding: 8px 14px; margin: 10px 0; border-radius: 0 8px 8px 0; overflow-wrap: anywhere; max-width: none }
.text { font: .86rem/1.55 var(--mono); white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; margin: 0; tab-size: 4 }
.number { font-variant-numeric: tabular-nums }
dl.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(130px, 1fr)); gap: 14px 20px; margin: 18px 0 }
dl.facts dt { color: var(--dim); font-size: .8rem }
dl.facts dd { margin: 0; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
.scroll { overflow-x: auto; max-width: 100% }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; min-width: 100% }
th, td { padding: 7px 12px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap }
th { color: var(--dim); font-weight: 500; font-size: .82rem; vertical-align: bottom }
th:first-child, td:first-child { text-align: left; padding-left: 0 }
tbody th { color: var(--ink); font-weight: 600; font-size: .92rem; vertical-align: middle }
td.left, th.left { text-align: left }
table.settings td { white-space: normal; overflow-wrap: anywhere; text-align: left; padding: 4px 12px 4px 0; vertical-align: top }
table.settings td:first-child { color: var(--dim); white-space: nowrap; width: 1% }
details > summary { cursor: pointer; color: var(--dim); font-size: .88rem }
details > summary:hover { color: var(--ink) }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 290px), 1fr)); gap: 22px; margin: 18px 0 }
figure { margin: 0; min-width: 0; max-width: 640px }
figcaption { color: var(--dim); font-size: .86rem; margin-top: 6px; max-width: 68ch }
figure h3 { margin-bottom: 8px }
svg.plot { --plot-background: var(--card); display: block; width: 100%; height: auto; overflow: visible; color: var(--ink); font: 12px var(--sans) }
svg.plot text { white-space: pre }
.swatch { display: inline-block; width: .72em; height: .72em; border-radius: 50%; margin-right: .4em; vertical-align: baseline }
footer { color: var(--dim); font-size: .84rem; margin-top: 56px; border-top: 1px solid var(--line); padding-top: 14px; overflow-wrap: anywhere }
@media (max-width: 640px) {
  main { padding: 24px 16px 48px }
  h1 { font-size: 1.45rem }
  .card { padding: 14px 14px }
}
@media print {
  :root { --paper: #fff; --card: #fff; --soft: #f4f4f4 }
  body { font-size: 10.5pt }
  main { max-width: none; padding: 0 }
  .card, figure, tr { break-inside: avoid }
  h2, h3 { break-after: avoid }
  details::details-content { content-visibility: visible; height: auto }
  .screen { display: none }
}
`;
