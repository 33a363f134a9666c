/** The CSS that the studio adds to the style of the reports. */
export const STUDIO_STYLE = `
[hidden] { display: none !important }
.top { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 18px; padding: 14px 24px 0; max-width: 1500px; margin: 0 auto }
.top h1 { font-size: 1.4rem; margin: 0 }
.top p { margin: 0; max-width: none; overflow-wrap: anywhere }
main.studio { max-width: 1500px; padding: 14px 24px 60px; display: grid; grid-template-columns: 350px minmax(0, 1fr); gap: 22px; align-items: start }
#form { position: sticky; top: 12px; max-height: calc(100vh - 24px); overflow-y: auto }
#form label { font-size: .84rem; font-weight: 600 }
#form label { display: block; margin: 0 0 3px }
textarea, input, select, button { font: inherit; color: var(--ink); background: var(--paper); border: 1px solid var(--dim); border-radius: 6px; padding: 6px 9px; max-width: 100% }
textarea, select, input:not([type=checkbox]) { width: 100% }
textarea { resize: vertical; min-height: 4.5em }
input[type=checkbox] { width: 1.1em; height: 1.1em; margin: 0; accent-color: var(--accent) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
button { cursor: pointer; font-weight: 600 }
button.primary { background: var(--accent); color: var(--paper); border-color: var(--accent) }
button:disabled { opacity: .5; cursor: default }
.row { display: grid; grid-template-columns: 1fr 1fr; gap: 12px; margin-top: 10px }
.row > :only-child { grid-column: 1 / -1 }
.buttons { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; margin: 10px 0 0 }
#form label.check { display: flex; gap: 7px; align-items: center; font-weight: 400; margin: 0 }
#form > details { border-top: 1px solid var(--line); padding: 9px 0; min-width: 0 }
#form > details:first-of-type { margin-top: 10px }
#form > details > summary { color: var(--ink); font-weight: 600; margin-bottom: 4px }
.setting { display: grid; grid-template-columns: minmax(0, 1fr) 120px; gap: 0 10px; align-items: center; padding: 5px 0 }
.setting label { margin: 0 !important }
.setting small { grid-column: 1 / -1; color: var(--dim); font-size: .78rem; line-height: 1.35 }
.setting input[type=checkbox] { justify-self: end }
#constraint { font-family: var(--mono); font-size: .84rem }
#constraint[aria-invalid=true] { border-color: var(--accent); border-width: 2px }
#constraint-row { margin-top: 8px }
#constraint-row small { display: block; color: var(--dim); font-size: .78rem }
#constraint-error { margin: 6px 0 0; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .84rem }
.setting kbd { font: 600 .8rem var(--mono); color: var(--dim) }
#history { list-style: none; margin: 0 0 8px; padding: 0 }
#history button { display: block; width: 100%; text-align: left; border: 0; background: none; padding: 6px 4px; font-weight: 400; font-size: .86rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
#history button:hover { background: var(--soft) }
#runs { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 18px; align-items: start; min-width: 0 }
#empty { grid-column: 1 / -1; padding: 30px 0 }
.run { min-width: 0; max-width: 100% }
.run h2 { margin: 0; font-size: 1.2rem }
.run h3 { margin: 18px 0 6px }
.run .question { font: 1rem/1.45 var(--serif); white-space: pre-wrap; overflow-wrap: anywhere; margin: .2em 0 .8em; max-height: 9em; overflow-y: auto }
.run .answer { font: 600 1.7rem/1.2 var(--serif); overflow-wrap: anywhere; margin: 0 0 6px }
.run dl.facts { grid-template-columns: repeat(auto-fill, minmax(98px, 1fr)); gap: 8px 12px; margin: 10px 0 }
.run dl.facts dd { white-space: nowrap }
.draft { color: var(--dim); font-style: italic }
.state { color: var(--dim); font-weight: 400; font-size: .86rem; margin-left: .6em }
.running .state::before { content: ""; display: inline-block; width: .6em; height: .6em; border-radius: 50%; background: var(--accent); margin-right: .4em; animation: breathe 1.2s infinite alternate }
@keyframes breathe { from { opacity: .25 } }
.votes { list-style: none; margin: 0; padding: 0; max-width: 460px }
.votes li { display: grid; grid-template-columns: minmax(80px, auto) minmax(0, 1fr) max-content; gap: 10px; align-items: center; font-size: .9rem; padding: 2px 0 }
.votes li span:first-child { overflow-wrap: anywhere }
.bar { display: block; height: 10px; border-radius: 5px; min-width: 2px }
.tree { overflow-x: auto; max-width: 100%; border-radius: 6px }
.tree svg { display: block }
.tree path { fill: none; stroke-linecap: round }
.tree circle.chosen { stroke: var(--ink); stroke-width: 2 }
.tree text { fill: var(--dim); font: 11px var(--sans) }
.run .text { margin: 10px 0 }
.branch .text, .rollouts .text { margin: 0 }
.scale { display: flex; white-space: nowrap; gap: 3px; align-items: center; font-size: .78rem; color: var(--dim) }
.scale i { width: 18px; height: 8px; border-radius: 2px }
.step { border-top: 1px solid var(--line); padding: 7px 0 }
.step > summary { color: var(--ink); font-size: .9rem }
.step > summary b { margin-right: .5em }
.step > summary span { color: var(--dim) }
.branches { list-style: none; margin: 6px 0; padding: 0 }
.branch { display: grid; grid-template-columns: 62px minmax(0, 1fr); gap: 0 10px; padding: 7px 8px; border-left: 5px solid var(--line) }
.branch.chosen { background: var(--mark); border-radius: 0 8px 8px 0 }
.branch .share { font-size: .86rem; text-align: right }
.branch .share b { display: block; font-size: .72rem; color: var(--accent) }
.evidence { display: flex; flex-wrap: wrap; gap: 2px 12px; font-size: .8rem; color: var(--dim); margin: 3px 0 0; max-width: none }
.chosen .evidence { color: var(--ink) }
.rollouts { list-style: none; margin: 4px 0; padding: 0 }
.rollouts li { border-left: 2px solid var(--line); padding: 1px 0 1px 10px; margin: 7px 0 }
.more { font-size: .82rem; margin: 4px 0 }
.tokens { font: .86rem/1.9 var(--mono); white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; max-width: none }
.token { border: 0; border-bottom: 3px solid var(--line); border-radius: 0; margin-right: 2px; padding: 1px 0; background: none; font: inherit; font-weight: 400; white-space: pre-wrap; display: inline; text-align: left }
.token:hover, .token.shown { background: var(--mark) }
.alternatives { min-height: 4.5em; margin-top: 8px; font-size: .86rem }
.alternatives table { min-width: 0 }
.alternatives td, .alternatives th { padding: 2px 12px 2px 0; border: 0 }
.alternatives td:first-child { font-family: var(--mono); white-space: pre }
.status { position: fixed; right: 14px; bottom: 10px; margin: 0; font-size: .84rem; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 4px 12px; max-width: calc(100vw - 28px) }
.status:empty { display: none }
body.dropping { outline: 4px dashed var(--accent); outline-offset: -8px }
@media (max-width: 900px) {
  .top { padding: 12px 14px 0 }
  main.studio { grid-template-columns: minmax(0, 1fr); padding: 12px 14px 56px }
  #form { position: static; max-height: none }
}
@media (prefers-reduced-motion: reduce) { .running .state::before { animation: none } }
`;
