/** Creates elements whose content is text, so that nothing that a model writes is parsed as HTML. */

type Child = Node | string | null | undefined | false;

interface Properties {
  class?: string;
  title?: string;
  type?: string;
  /**
   * Colours and lengths. They are set through the DOM, because the page's policy forbids style attributes.
   */
  style?: Partial<Record<"background" | "width" | "borderColor", string>>;
  onclick?: (event: MouseEvent) => void;
}

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  { style, onclick, class: name, title, type }: Properties = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (title) element.title = title;
  if (type) element.setAttribute("type", type);
  if (style) Object.assign(element.style, style);
  if (onclick) element.addEventListener("click", onclick as EventListener);
  element.append(
    ...children.filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

/** Returns an element of the page's markup. */
export function byId<T extends HTMLElement>(id: string, kind: abstract new () => T): T {
  const element = document.getElementById(id);
  if (element instanceof kind) return element;
  throw new Error(`The page has no #${id}`);
}

/** Creates a details element whose content is created when it is first opened. */
export function folded(summary: Child[], fill: () => Node[], name = ""): HTMLDetailsElement {
  const details = el("details", { class: name }, el("summary", {}, ...summary));
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(...fill());
  });
  return details;
}

/** Creates a list that shows its first items, and more with a button. */
export function growing<T>(
  list: HTMLElement,
  items: readonly T[],
  itemOf: (item: T) => Node,
  { first, more }: { first: number; more: number },
): Node[] {
  let shown = 0;
  const grow = (count: number) => {
    list.append(...items.slice(shown, shown + count).map(itemOf));
    shown = Math.min(items.length, shown + count);
    button.textContent = `Show more (${items.length - shown} left)`;
    button.hidden = shown === items.length;
  };
  const button = el("button", { class: "more", type: "button", onclick: () => grow(more) });
  grow(first);
  return [list, button];
}
