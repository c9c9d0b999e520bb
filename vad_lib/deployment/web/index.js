"use strict";
// A click on a heading sorts by its column: names from A, numbers from the largest; a second click turns the order.
// Cells without a value stay at the end.
const body = document.querySelector("#videos tbody"), headings = [...document.querySelectorAll("#videos th")];

headings.forEach((heading, column) => {
  const button = heading.querySelector("button"), value = (row) => row.cells[column].dataset.value;
  if (!button) return;
  const ascending = column ? (one, other) => one - other : (one, other) => one.localeCompare(other, undefined, { numeric: true });
  button.onclick = () => {
    const usual = column ? "descending" : "ascending", turned = column ? "ascending" : "descending";
    const order = heading.getAttribute("aria-sort") === usual ? turned : usual, sign = order === "ascending" ? 1 : -1;
    const rows = [...body.rows], filled = rows.filter((row) => value(row) !== "");
    filled.sort((one, other) => sign * ascending(value(one), value(other)));
    for (const each of headings) each.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", order);
    body.append(...filled, ...rows.filter((row) => value(row) === ""));
  };
});
