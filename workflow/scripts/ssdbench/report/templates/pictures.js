"use strict";
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  // Pictures: boxes of one cell over the ground truth.
  const choices = document.getElementById("choices");
  if (!choices) return;
  const data = JSON.parse(document.getElementById("picture-data").textContent);
  const chosen = document.getElementById("shown-cell");
  const truthToggle = document.getElementById("show-truth");
  const labelToggle = document.getElementById("show-labels");
  const make = (name, attributes, text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const short = (text) => (text.length > 26 ? `${text.slice(0, 25)}…` : text);

  function outline(layer, box, kind) {
    const place = { x: box[0], y: box[1], width: Math.max(box[2], 1), height: Math.max(box[3], 1) };
    layer.append(make("rect", { ...place, class: "halo" }), make("rect", { ...place, class: kind }));
  }

  function label(layer, picture, box, text, kind, shownWidth) {
    const size = (11.5 * picture.width) / shownWidth;
    const words = make("text", { "font-size": size, class: `${kind}-text` }, short(text));
    layer.append(words);
    const width = words.getComputedTextLength() + 0.7 * size;
    const x = Math.max(0, Math.min(box[0], picture.width - width));
    const y = box[1] >= 1.4 * size ? box[1] - 1.4 * size : Math.min(Math.max(box[1], 0), picture.height - 1.4 * size);
    layer.insertBefore(make("rect", { x, y, width, height: 1.4 * size, class: "tag" }), words);
    words.setAttribute("x", x + 0.35 * size);
    words.setAttribute("y", y + 1.05 * size);
  }

  function draw() {
    all(".pictures > li").forEach((item) => {
      const picture = data.pictures[Number(item.dataset.picture)];
      const found = picture.cells[chosen.value];
      item.hidden = found === undefined;
      if (item.hidden) return;
      const layer = item.querySelector("svg");
      layer.replaceChildren();
      const width = layer.getBoundingClientRect().width || 320;
      if (truthToggle.checked) picture.truths.forEach((truth) => outline(layer, truth.box, "truth"));
      const boxes = [...found.boxes].reverse();
      boxes.forEach((box) => outline(layer, box.box, box.is_match ? "hit" : "stray"));
      if (labelToggle.checked) boxes.forEach((box) => label(
        layer, picture, box.box, `${box.name} ${box.score.toFixed(2)}`, box.is_match ? "hit" : "stray", width));
      const hits = found.boxes.filter((box) => box.is_match).length;
      const missed = found.missed.map((index) => picture.truths[index].name);
      const tally = new Map();
      missed.forEach((name) => tally.set(name, (tally.get(name) || 0) + 1));
      const names = Array.from(tally, ([name, number]) => (number > 1 ? `${number} × ${name}` : name)).join(", ");
      const strays = found.boxes.length - hits;
      const text = `${hits} matched, ${strays} unmatched` + (missed.length ? `; missed: ${names}` : "; nothing missed");
      item.querySelector(".result").textContent = text;
      layer.setAttribute("aria-label", `Boxes of ${data.cells[chosen.value]} on ${picture.file_name}: ${text}`);
    });
  }

  const step = (by) => {
    chosen.selectedIndex = (chosen.selectedIndex + by + chosen.options.length) % chosen.options.length;
    draw();
  };
  document.getElementById("previous-cell").addEventListener("click", () => step(-1));
  document.getElementById("next-cell").addEventListener("click", () => step(1));
  [chosen, truthToggle, labelToggle].forEach((control) => control.addEventListener("change", draw));
  addEventListener("resize", draw);
  choices.hidden = false;
  draw();
})();
