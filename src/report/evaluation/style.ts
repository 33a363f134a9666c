import { MARK_STYLE } from "./method-marks.js";

/** The CSS that evaluation reports add to the common style. */
export const EVALUATION_STYLE = `
.votes { margin-top: 1.2em }
.lead { font: 1.12rem/1.5 var(--serif); max-width: 68ch }
.figures { grid-template-columns: repeat(auto-fill, minmax(min(100%, 420px), 1fr)) }
.figures figure { max-width: 520px }
${MARK_STYLE}
.range { display: block; color: var(--dim); font-size: .84em }
.forest-head { text-align: center; min-width: 170px }
.forest { display: block; position: relative; height: 16px; min-width: 150px }
.forest i { position: absolute; top: 50%; print-color-adjust: exact }
.forest .zero { left: 50%; top: -7px; bottom: -7px; border-left: 1px solid var(--line) }
.forest .interval { height: 4px; margin-top: -2px; background: var(--dim); opacity: .55; border-radius: 2px }
.forest .difference { width: 9px; height: 9px; margin: -4.5px 0 0 -4.5px; border-radius: 50%; background: var(--dim) }
.clear .forest .interval, .clear .forest .difference { background: var(--accent); opacity: 1 }
.heat svg.plot { min-width: 760px }
.cell { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin: 0 .35em 0 .9em; vertical-align: -.05em; print-color-adjust: exact }
.cell:first-child { margin-left: 0 }
.filters { display: flex; flex-wrap: wrap; gap: 8px 20px; align-items: baseline; font-size: .9rem; margin: 14px 0 }
.filters label { min-width: 0; max-width: 100% }
.filters select, .filters input { max-width: 100% }
.filters[hidden] { display: none }
.filters select, .filters input { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 4px 8px; max-width: 100% }
.filters output { color: var(--dim) }
.item { border-top: 1px solid var(--line); padding: 9px 0 }
.item[hidden] { display: none }
.item > summary { display: flex; flex-wrap: wrap; gap: 2px 14px; align-items: baseline; color: var(--ink); list-style-position: inside }
.item .id { font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
.item .excerpt { color: var(--dim); flex: 1 1 280px; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.item[open] .excerpt { display: none }
.verdicts { display: flex; flex-wrap: wrap; gap: 2px 12px; font-size: .84rem }
.verdict b { margin-left: .35em }
.verdict.right b, .graded.right b { color: var(--right) }
.verdict.wrong b, .graded.wrong b { color: var(--warn) }
.item .ask { font-family: var(--serif); font-size: 1rem; margin: 12px 0 6px; max-width: 76ch }
.item .gold { font-size: .92rem; overflow-wrap: anywhere }
.outputs { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); gap: 14px; margin: 12px 0 8px }
.outputs section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; min-width: 0 }
.graded { font-size: .9rem; margin: 8px 0 4px; overflow-wrap: anywhere }
.graded span { color: var(--dim); font-size: .9em }
.outputs .text { font-size: .8rem; max-height: 26em; overflow-y: auto }
@media (max-width: 640px) {
  th, td { padding: 7px 6px }
  .method { white-space: normal; overflow-wrap: anywhere }
  tbody th, td.left { white-space: normal; min-width: 7.5em }
  .forest-head, .forest { min-width: 90px }
}
@media print { .outputs .text { max-height: none } }
`;
