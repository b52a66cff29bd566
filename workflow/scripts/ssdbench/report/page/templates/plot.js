"use strict";
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const marksOf = (plot) => all(".mark[data-ap]:not([hidden])", plot)
    .map(({ dataset }) => ({ ...dataset, ap: Number(dataset.ap), speed: Number(dataset.speed) }))
    .sort((a, b) => b.speed - a.speed || b.ap - a.ap);

  // The marks that no other shown mark beats in both, from the fastest to the most accurate.
  const frontOf = (marks) => marks.reduce((best, mark) => (best.length && mark.ap <= best.at(-1).ap ? best : [...best, mark]), []);

  function drawLine(plot) {
    const [first, ...rest] = frontOf(marksOf(plot));
    const steps = rest.map((mark) => `H${mark.x}V${mark.y}`).join("");
    plot.querySelector(".front").setAttribute("d", first ? `M${first.x} ${first.y}${steps}H${plot.dataset.left}` : "");
  }

  function answer(marks, limit) {
    if (!marks.length) return "No cell with a valid timing is shown.";
    const best = frontOf(marks).filter((mark) => mark.speed >= limit).at(-1);
    if (!best) return `No cell is ${limit} times as fast as the reference. The fastest is ${marks[0].words}.`;
    // Where the third decimal does not tell them apart, a faster one may be the better choice.
    const like = marks.find((mark) => mark.speed > best.speed && mark.ap.toFixed(3) === best.ap.toFixed(3));
    return `Most accurate at ${limit} times or more: ${best.words}.` + (like ? ` As accurate to three decimals and faster: ${like.words}.` : "");
  }

  // "Most accurate at X times or more": a slider whose limit the line in the figure follows.
  all(".speed-limit").forEach((panel) => {
    const plots = all(".scatter", panel.parentElement);
    const [slider, output, best] = ["input", "output", ".best"].map((name) => panel.querySelector(name));

    function update() {
      const limit = Number(Number(slider.value).toPrecision(3));
      output.textContent = `${limit} times as fast as the reference`;
      slider.setAttribute("aria-valuetext", `${limit} times as fast as the reference`);
      const text = answer(marksOf(plots[0]), limit);
      if (best.textContent !== text) best.textContent = text;
      plots.forEach((plot) => {
        const { left, right, most } = plot.dataset;
        const x = Number(left) + ((right - left) * limit) / most;
        plot.querySelector(".limit-line").setAttribute("transform", `translate(${x.toFixed(1)} 0)`);
      });
    }

    slider.addEventListener("input", update);
    document.addEventListener("filtered", () => { plots.forEach(drawLine); update(); });
    plots.forEach((plot) => plot.querySelector(".limit-line").removeAttribute("hidden"));
    panel.hidden = false;
    plots.forEach(drawLine);
    update();
  });
})();
