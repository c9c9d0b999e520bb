// What all pages share: the menu on small screens, folds, boxes that scroll, tables that sort. Pages work without it.
"use strict";
document.documentElement.classList.add("scripted");

const menu = document.querySelector(".menu"), navigation = document.getElementById("navigation");
const narrow = window.matchMedia("(max-width: 48rem)");
function fitMenu() {
  menu.hidden = !narrow.matches;
}
narrow.addEventListener("change", fitMenu);
fitMenu();
menu.addEventListener("click", () => {
  const open = navigation.classList.toggle("open");
  menu.setAttribute("aria-expanded", String(open));
});

// The table of contents stands at the side where there is room, else it is folded.
const contents = document.querySelector(".contents details");
if (contents && window.matchMedia("(max-width: 65.99rem)").matches) contents.open = false;

// A link into a fold opens it.
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  target.scrollIntoView();
}
window.addEventListener("hashchange", openTarget);
window.addEventListener("load", openTarget);

// Paper has no folds.
window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((fold) => (fold.open = true)));

for (const button of document.querySelectorAll(".fold-all")) {
  const folds = [...document.querySelectorAll("details.code")];
  button.hidden = folds.length === 0;
  let open = true;
  button.addEventListener("click", () => {
    open = !open;
    folds.forEach((fold) => (fold.open = open));
    button.textContent = open ? "Close all code" : "Open all code";
  });
}

// What scrolls sideways can be reached by keyboard, and only that; a figure says that it does.
function reachable() {
  for (const box of document.querySelectorAll(".scroll, main pre")) {
    if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
    box.classList.toggle("wider", box.scrollWidth > box.clientWidth);
  }
}
window.addEventListener("load", reachable);
document.addEventListener("load", reachable, true); // of each picture
window.addEventListener("resize", reachable);
document.addEventListener("toggle", reachable, true);

// --- tables that sort ---
const numeric = /^\[?([+\-−]?[\d,]*\.?\d+)/;
function value(cell) {
  const text = cell.textContent.trim(), found = numeric.exec(text);
  return found ? Number(found[1].replaceAll(",", "").replace("−", "-")) : text.toLowerCase();
}
function compare(first, second) {
  if (typeof first === "number" && typeof second === "number") return first - second;
  if (typeof first !== typeof second) return typeof first === "number" ? -1 : 1;
  return first.localeCompare(second);
}
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells], body = table.tBodies[0];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const empty = (row) => row.cells[column].textContent.trim() === "";
      const rows = [...body.rows].sort((first, second) => {
        if (empty(first) || empty(second)) return empty(first) - empty(second); // always at the end
        const order = compare(value(first.cells[column]), value(second.cells[column]));
        return down ? -order : order;
      });
      body.append(...rows);
    });
  });
}
