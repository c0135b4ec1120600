(() => {
  "use strict";

  // Sorting: every tbody of a sortable table is one row with what belongs to it. Empty cells stay last.
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const bodies = [...table.tBodies];
    const heads = [...table.querySelectorAll("th[data-kind]")];
    heads.forEach((head, place) => {
      const column = Number(head.dataset.column ?? place);
      const button = document.createElement("button");
      button.type = "button";
      button.append(head.firstChild);
      head.prepend(button);
      if (!head.hasAttribute("aria-sort")) head.setAttribute("aria-sort", "none");
      const number = head.dataset.kind === "number";
      const value = (body) => {
        const cell = body.rows[0].cells[column];
        const text = cell.hasAttribute("data-v") ? cell.dataset.v : cell.textContent.trim();
        return number ? parseFloat(text) : text;
      };
      const rank = head === heads[0] && number;
      button.addEventListener("click", () => {
        const before = head.getAttribute("aria-sort");
        const first = number && !rank ? "descending" : "ascending";
        const other = first === "ascending" ? "descending" : "ascending";
        const order = before === first ? other : first;
        heads.forEach((h) => h.setAttribute("aria-sort", h === head ? order : "none"));
        const sign = order === "ascending" ? 1 : -1;
        const compare = number
          ? (a, b) => (isNaN(a) || isNaN(b) ? isNaN(a) - isNaN(b) : sign * (a - b))
          : (a, b) => sign * a.localeCompare(b, "en", { numeric: true });
        const sorted = bodies.map((body, k) => [value(body), k, body]);
        sorted.sort((a, b) => compare(a[0], b[0]) || a[1] - b[1]);
        table.append(...sorted.map((entry) => entry[2]));
      });
    });
  }

  // Filters: the rows that have every chosen value.
  const form = document.getElementById("filters");
  const rows = [...document.querySelectorAll("table.results > tbody")];
  const selects = [...form.querySelectorAll("select")];
  const shown = document.getElementById("shown");
  const grouped = (n) => n.toLocaleString("en");
  const filter = () => {
    let count = 0;
    for (const row of rows) {
      row.hidden = !selects.every((s) => s.value === "" || row.dataset[s.dataset.filter] === s.value);
      count += !row.hidden;
    }
    shown.textContent = grouped(count) + " of " + grouped(rows.length) + " results";
  };
  form.addEventListener("change", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const select of selects) select.parentElement.hidden = select.options.length < 3;
  form.hidden = false;
  filter();
})();
