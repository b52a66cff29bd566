"use strict";
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  // Pictures: boxes of one cell over the ground truth, beside those of its reference.
  const choices = document.getElementById("choices");
  if (!choices) return;
  const data = JSON.parse(document.getElementById("picture-data").textContent);
  const list = document.querySelector(".pictures");
  const chosen = document.getElementById("shown-cell");
  const order = document.getElementById("picture-order");
  const besideToggle = document.getElementById("show-beside");
  const truthToggle = document.getElementById("show-truth");
  const labelToggle = document.getElementById("show-labels");
  const status = document.getElementById("picture-status");
  const nodes = all("li[data-picture]", list).sort((a, b) => a.dataset.picture - b.dataset.picture);
  const items = nodes.map((node, number) => (
    { node, picture: data.pictures[number], side: node.querySelector(".side"), beside: null }));
  const make = (name, attributes, text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const short = (text) => (text.length > 26 ? `${text.slice(0, 25)}…` : text);
  const images = (count) => `${count} ${count === 1 ? "image" : "images"}`;

  function outline(layer, box, kind) {
    const place = { x: box[0], y: box[1], width: Math.max(box[2], 1), height: Math.max(box[3], 1) };
    layer.append(make("rect", { ...place, class: "halo" }), make("rect", { ...place, class: kind }));
  }

  function label(layer, picture, box, text, kind, shownWidth) {
    const size = (11.5 * picture.width) / shownWidth;
    const words = make("text", { "font-size": size, class: `${kind}-text` }, text);
    layer.append(words);
    const width = words.getComputedTextLength() + 0.7 * size;
    const x = Math.max(0, Math.min(box[0], picture.width - width));
    // Boxes carry their words at the top, objects that lost at the bottom, so that both can be read.
    const wanted = kind === "lost" ? box[1] + box[3] : box[1] - 1.4 * size;
    const y = Math.min(Math.max(wanted, 0), picture.height - 1.4 * size);
    layer.insertBefore(make("rect", { x, y, width, height: 1.4 * size, class: "tag" }), words);
    words.setAttribute("x", x + 0.35 * size);
    words.setAttribute("y", y + 1.05 * size);
  }

  function tally(picture, found) {
    if (!picture.annotated) return `${found.boxes.length} ${found.boxes.length === 1 ? "box" : "boxes"}`;
    const hits = found.boxes.filter((box) => box.is_match).length;
    const strays = found.boxes.length - hits;
    const missed = new Map();
    found.missed.forEach((index) => {
      const { name } = picture.truths[index];
      missed.set(name, (missed.get(name) || 0) + 1);
    });
    const names = Array.from(missed, ([name, number]) => (number > 1 ? `${number} × ${name}` : name)).join(", ");
    return `${hits} matched, ${strays} unmatched` + (names ? `; missed: ${names}` : "; nothing missed");
  }

  // One drawing: the boxes of `cell`, and the objects that it lost.
  function drawSide(side, picture, cell, words) {
    const layer = side.querySelector("svg");
    const found = picture.cells[cell];
    const withTruth = truthToggle !== null && truthToggle.checked;
    const lost = withTruth && picture.losses[cell] ? picture.losses[cell].objects : [];
    const kind = (box) => (box.is_match || !picture.annotated ? "hit" : "stray");
    layer.replaceChildren();
    const width = layer.getBoundingClientRect().width || 320;
    if (withTruth) picture.truths.forEach((truth) => outline(layer, truth.box, "truth"));
    const boxes = [...found.boxes].reverse();
    boxes.forEach((box) => outline(layer, box.box, kind(box)));
    lost.forEach((one) => outline(layer, picture.truths[one.truth].box, "lost"));
    if (labelToggle.checked) {
      boxes.forEach((box) => label(
        layer, picture, box.box, `${short(box.name)} ${box.score.toFixed(2)}`, kind(box), width));
      // In a crowd only those that lost most are named, the ones that the words name too.
      lost.slice(0, 3).forEach((one) => label(
        layer, picture, picture.truths[one.truth].box,
        `▼ ${short(picture.truths[one.truth].name)} ${one.reference.toFixed(2)} → ${one.cell.toFixed(2)}`, "lost", width));
    }
    const text = tally(picture, found);
    side.querySelector(".whose").textContent = words;
    side.querySelector(".result").textContent = text;
    layer.setAttribute("aria-label", `Boxes of ${data.cells[cell]} on ${picture.file_name}: ${text}`);
  }

  // The drawing of the reference is a copy made here: its photo is in the file only once.
  function besides(item) {
    if (!item.beside) {
      item.beside = item.side.cloneNode(true);
      item.beside.querySelector("img").alt = "";
      item.side.before(item.beside);
    }
    return item.beside;
  }

  // The items to show, in order, and a sentence that says which they are.
  function selection(cell) {
    const here = items.filter((item) => item.picture.cells[cell]);
    const placed = here.filter((item) => item.picture.by_place);
    const byPlace = `${images(placed.length)} picked by place in the list`;
    if (!order || order.value === "place") return [placed, `${byPlace}.`];
    const lost = (item) => item.picture.losses[cell].lost;
    const worst = here.filter((item) => item.picture.losses[cell]).sort((a, b) => lost(b) - lost(a));
    const name = data.cells[cell];
    const most = data.order === "loss" ? `${name} lost most` : `${name} differs most from its reference`;
    if (worst.length) return [worst, `${images(worst.length)}, those first on which ${most}.`];
    const why = data.references[cell]
      ? `No image is among those on which ${name} ${data.order === "loss" ? "lost" : "differs by"} ${data.least} or more`
      : `${name} stands beside no reference`;
    return [placed, `${why}, so these are ${byPlace}.`];
  }

  function draw() {
    const cell = chosen.value;
    const reference = besideToggle && besideToggle.checked ? data.references[cell] : undefined;
    const [shown, sentence] = selection(cell);
    if (status.textContent !== sentence) status.textContent = sentence;
    list.classList.toggle("beside", reference !== undefined);
    items.forEach((item) => { item.node.hidden = !shown.includes(item); });
    list.append(...shown.map((item) => item.node));
    shown.forEach((item) => {
      all(".losses > li", item.node).forEach((line) => { line.hidden = line.dataset.cell !== cell; });
      const paired = reference !== undefined && item.picture.cells[reference] !== undefined;
      if (item.beside || paired) besides(item).hidden = !paired;
      if (paired) drawSide(item.beside, item.picture, reference, `Reference: ${data.cells[reference]}`);
      drawSide(item.side, item.picture, cell, data.cells[cell]);
    });
  }

  const step = (by) => {
    chosen.selectedIndex = (chosen.selectedIndex + by + chosen.options.length) % chosen.options.length;
    draw();
  };
  document.getElementById("previous-cell").addEventListener("click", () => step(-1));
  document.getElementById("next-cell").addEventListener("click", () => step(1));
  [chosen, order, besideToggle, truthToggle, labelToggle].forEach((control) => {
    if (control) control.addEventListener("change", draw);
  });
  addEventListener("resize", draw);
  addEventListener("load", draw); // only now has every photo its size
  choices.hidden = false;
  draw();
})();
