/**
 * The only script of a report. It hides the items that don't match the filter. The page's address holds the
 * filter (`#right=1&text=apples`), so that links, reloads and the browser's Back button keep it.
 */
export const FILTER_SCRIPT = `
const form = document.getElementById("filters");
if (form) {
  const items = [...document.querySelectorAll("#items > details")];
  const holds = (list, value) => value === "" || list.split(" ").includes(value);
  const names = ["right", "wrong", "text"];
  const remember = () => {
    const asked = new URLSearchParams();
    for (const name of names) if (form.elements[name].value) asked.set(name, form.elements[name].value);
    history.replaceState(null, "", asked.size > 0 ? "#" + asked : location.pathname + location.search);
  };
  const recall = () => {
    const asked = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
    for (const name of names) form.elements[name].value = asked.get(name) ?? "";
    for (const name of ["right", "wrong"]) if (form.elements[name].selectedIndex < 0) form.elements[name].value = "";
    apply();
  };
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
  form.addEventListener("input", () => {
    apply();
    remember();
  });
  addEventListener("hashchange", () => location.hash.includes("=") && recall());
  // A browser fills in the fields of a page that it shows again only after its scripts have run.
  addEventListener("pageshow", recall);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  recall();
}
`;
