/** Shows the tokens of the answer, with their probabilities and alternatives. */
import { percent } from "../../../report/format.js";
import { REWARD_LEVELS, rewardColor } from "../../../report/style.js";
import { el, growing } from "./dom.js";
import type { Token } from "./run.js";

export function tokenView(tokens: readonly Token[]): HTMLElement {
  const alternatives = el("div", { class: "alternatives" });
  alternatives.textContent = "Point at a token, or move to it by Tab, to see its alternatives.";
  let shown: HTMLElement | undefined;
  const show = (button: HTMLElement, token: Token) => {
    shown?.classList.remove("shown");
    shown = button;
    button.classList.add("shown");
    alternatives.replaceChildren(table(token));
  };
  const item = (token: Token) => {
    const level = Math.round(Math.exp(token.logprob) * (REWARD_LEVELS - 1));
    const button = el(
      "button",
      { class: "token", type: "button", style: { borderColor: rewardColor(level) } },
      token.token.replaceAll("\n", "⏎") || "·",
    );
    button.setAttribute("aria-label", `${token.token.trim() || "space"}: log p ${round(token)}`);
    button.addEventListener("mouseenter", () => show(button, token));
    button.addEventListener("focus", () => show(button, token));
    const breaks = token.token.replaceAll(/[^\n]/g, "");
    return el("span", {}, button, breaks);
  };
  const list = el("div", { class: "tokens" });
  return el("div", {}, ...growing(list, tokens, item, { first: 600, more: 600 }), alternatives);
}

function round({ logprob }: { logprob: number }): string {
  return logprob <= -9999 ? "-∞" : logprob.toFixed(2);
}

function table({ token, logprob, top_logprobs: top }: Token): HTMLElement {
  const others = top.filter((one) => one.token !== token);
  const rows = [{ token, logprob }, ...others].map((one, i) =>
    el(
      "tr",
      {},
      el("td", {}, i === 0 ? el("b", {}, JSON.stringify(one.token)) : JSON.stringify(one.token)),
      el("td", {}, round(one)),
      el("td", {}, percent(Math.exp(one.logprob), 1)),
    ),
  );
  const head = el("tr", {}, ...["token", "log p", "p"].map((name) => el("th", {}, name)));
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows));
}
