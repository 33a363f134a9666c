/** The only script of a report: it hides the items that a filter doesn't ask for. */
export const FILTER_SCRIPT = `
const form = document.getElementById("filters");
if (form) {
  const items = [...document.querySelectorAll("#items > details")];
  const holds = (list, value) => value === "" || list.split(" ").includes(value);
  const apply = () => {
    const text = form.elements.text.value.trim().toLowerCase();
    let shown = 0;
    for (const item of items) {
      const isAsked = holds(item.dataset.right, form.elements.right.value)
        && holds(item.dataset.wrong, form.elements.wrong.value)
        && (text === "" || item.textContent.toLowerCase().includes(text));
      item.hidden = !isAsked;
      if (isAsked) shown++;
    }
    form.querySelector("output").value = shown + " of " + items.length;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  apply();
}
`;
