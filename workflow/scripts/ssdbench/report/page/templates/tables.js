"use strict";
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  // Sortable tables: the script turns headings into buttons, so without it there are none that do nothing.
  const order = (row, column) => {
    const cell = row.cells[column];
    const value = cell.dataset.value;
    if (cell.tagName === "TH" || cell.dataset.text !== undefined) return cell.textContent.trim().toLowerCase();
    return value === undefined ? null : Number(value);
  };
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b);

  function sortBy(table, heading) {
    const direction = heading.getAttribute("aria-sort") === "none"
      ? heading.dataset.sort
      : heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    all("th[aria-sort]", table).forEach((other) => other.setAttribute("aria-sort", "none"));
    heading.setAttribute("aria-sort", direction);
    const sign = direction === "ascending" ? 1 : -1;
    const body = table.tBodies[0];
    const rows = all("tr", body).map((row) => ({ row, key: order(row, heading.cellIndex) }));
    // Missing values stay last in either direction: a dash is neither small nor large.
    rows.sort((a, b) => (a.key === null) - (b.key === null) || (a.key === null ? 0 : sign * compare(a.key, b.key)));
    body.append(...rows.map((entry) => entry.row));
  }

  all("table").forEach((table) => all("th[data-sort]", table).forEach((heading) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    heading.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => sortBy(table, heading));
  }));

  // Only a region that can be scrolled needs the keyboard's focus.
  const regions = all(".scroll");
  const mark = () => regions.forEach((region) => {
    if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
    else region.removeAttribute("tabindex");
  });
  addEventListener("resize", mark);
  all("details").forEach((part) => part.addEventListener("toggle", mark));
  mark();
})();
