/** The CSS that reports of one answer add to the common style. */
export const RUN_STYLE = `
.question { font: 1.12rem/1.5 var(--serif); white-space: pre-wrap; overflow-wrap: anywhere; margin: .2em 0 1.2em; max-width: 72ch }
.question .marker { color: var(--dim); font: .72rem var(--mono) }
.answer { display: grid; grid-template-columns: minmax(130px, max-content) minmax(0, 1fr); gap: 8px 34px; align-items: start }
.answer .value { font: 600 clamp(1.5rem, 6vw, 2.7rem)/1.1 var(--serif); overflow-wrap: anywhere; max-width: 14em }
.answer .label { color: var(--dim); font-size: .8rem }
.answer .reward { font: 600 1.35rem/1.2 var(--serif) }
.scale { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 4px; font-size: .88rem; margin: 10px 0 0 }
.scale .swatch { margin: 0 }
.meter { height: 6px; width: 130px; background: var(--soft); border-radius: 3px; margin-top: 10px; overflow: hidden }
.meter span { display: block; height: 100%; background: var(--accent) }
.segment { border-bottom: 2px solid var(--line) }
.segment:nth-of-type(even) { background: var(--soft) }
.segment > a { font: 600 .62rem var(--sans); vertical-align: super; text-decoration: none; margin: 0 2px; color: var(--dim) }
.path { padding: 8px 4px }
.path svg.plot { width: auto; max-width: none; margin: 0 auto }
.figures { max-width: 1080px }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: .88rem; margin: 10px 0 0; padding: 0; list-style: none; max-width: none }
.step { margin: 18px 0; padding-bottom: 10px; scroll-margin-top: 12px }
.step > header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 16px; margin-bottom: 8px }
.step > header p { margin: 0; max-width: none }
.step > header h3 { font: 600 1.12rem var(--serif) }
.so-far { color: var(--dim); padding: 6px 0 10px }
ol.branches, ol.rollouts { list-style: none; margin: 0; padding: 0 }
.branch { display: grid; grid-template-columns: 110px 74px minmax(0, 1fr); gap: 0 14px; padding: 12px 10px; border-top: 1px solid var(--line); align-items: start }
.branch.chosen { background: var(--mark); border-radius: 8px; border-top-color: transparent; print-color-adjust: exact }
.branch.chosen + .branch { border-top-color: transparent }
.weight { height: 10px; background: var(--soft); border-radius: 5px; margin-top: 7px; overflow: hidden; print-color-adjust: exact }
.weight .bar { display: block; height: 100%; background: var(--ink); opacity: .78; min-width: 1px }
.chosen .weight .bar { background: var(--accent); opacity: 1 }
.share { text-align: right; font-size: .92rem }
.share b { display: block; font-size: .74rem; letter-spacing: .04em; color: var(--accent) }
.end { color: var(--dim); font-size: .7em; margin-left: .4em }
.evidence { display: flex; flex-wrap: wrap; gap: 2px 14px; align-items: baseline; font-size: .84rem; color: var(--dim); margin: 5px 0 0; max-width: none }
.chip { color: var(--ink); white-space: nowrap }
.chip .reward { color: var(--dim); margin-left: .5em }
.branch details { margin-top: 4px }
.rollouts li { border-left: 2px solid var(--line); padding: 2px 0 2px 12px; margin: 10px 0 }
.rollouts .text { margin-top: 3px }
@media (max-width: 640px) {
  .path svg.plot { zoom: .72 }
  .answer { grid-template-columns: 1fr }
  .branch { grid-template-columns: 1fr max-content; gap: 4px 10px; padding: 12px 4px }
  .branch .what { grid-column: 1 / -1 }
  .share b { display: inline; margin-left: .6em }
}
@media print {
  .step { break-inside: auto }
  .branch, .rollouts li { break-inside: avoid }
}
`;
