"use strict";
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  // Shows only chosen cells, in the results and in the figure alike.
  const panel = document.getElementById("filter");
  if (!panel) return;
  const boxes = all("input", panel);
  const rows = all("#results tr[data-framework]");
  const [status, show] = [panel.querySelector("[role=status]"), panel.querySelector("button")];

  function apply() {
    const refused = boxes.filter((box) => !box.checked);
    const isHidden = (row) => refused.some((box) => row.dataset[box.name] === box.value);
    const hidden = new Set(rows.filter(isHidden).map((row) => row.dataset.cell));
    all("#results [data-cell], #speed [data-cell]").forEach((node) => node.toggleAttribute("hidden", hidden.has(node.dataset.cell)));
    const text = `${rows.length - hidden.size} of ${rows.length} cells shown`;
    status.textContent = text;
    all(".filtered").forEach((note) => {
      note.hidden = hidden.size === 0;
      note.querySelector(".shown-cells").textContent = text;
    });
    show.disabled = refused.length === 0;
    document.dispatchEvent(new Event("filtered"));
  }

  show.addEventListener("click", () => {
    boxes.forEach((box) => { box.checked = true; });
    apply();
    boxes[0].focus(); // a disabled button would lose the keyboard's place
  });
  panel.addEventListener("change", apply);
  panel.hidden = false;
  apply();
})();
