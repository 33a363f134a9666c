/** Elements whose content is text: nothing that a model writes is read as HTML. */

type Child = Node | string | null | undefined | false;

interface Properties {
  class?: string;
  title?: string;
  type?: string;
  /** A colour or a length, set by the object model: the page's policy allows no style attributes. */
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

/** An element of the page's own markup. */
export function byId<T extends HTMLElement>(id: string, kind: abstract new () => T): T {
  const element = document.getElementById(id);
  if (element instanceof kind) return element;
  throw new Error(`The page has no #${id}`);
}

/** Details whose content is made when they are first opened. */
export function folded(summary: Child[], fill: () => Node[], name = ""): HTMLDetailsElement {
  const details = el("details", { class: name }, el("summary", {}, ...summary));
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(...fill());
  });
  return details;
}

/** A list that begins with some of its items, and grows by a button. */
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
