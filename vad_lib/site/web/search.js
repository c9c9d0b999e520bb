// The search page: sections that hold all words, the best first. The index comes as a script, window.searchIndex.
"use strict";
const MOST = 60, AROUND = 90;

function plain(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

// Sections with all words; words in titles and headings count more.
function find(words) {
  const found = [];
  for (const [path, title, sections] of window.searchIndex) {
    const inTitle = plain(title);
    for (const [anchor, heading, text] of sections) {
      const inHeading = plain(heading), inText = plain(text);
      let score = 0;
      const all = words.every((word) => {
        const hits = inText.split(word).length - 1;
        const here = 20 * inTitle.includes(word) + 10 * inHeading.includes(word) + Math.min(hits, 5);
        score += here;
        return here > 0;
      });
      if (all && words.some((word) => inHeading.includes(word) || inText.includes(word))) {
        if (path.startsWith("source/")) score /= 10; // prose comes before code
        found.push({ path, title, anchor, heading, text, score });
      }
    }
  }
  return found.sort((first, second) => second.score - first.score);
}

// A piece of the text around the first word, with all words marked.
function excerpt(text, words) {
  const low = plain(text), places = words.map((word) => low.indexOf(word)).filter((place) => place >= 0);
  const start = Math.max(0, Math.min(...(places.length ? places : [0])) - AROUND);
  const piece = text.slice(start, start + 3 * AROUND), paragraph = document.createElement("p");
  const pattern = new RegExp(words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"), "gi");
  let last = 0;
  paragraph.append(start ? "… " : "");
  for (const hit of piece.matchAll(pattern)) {
    const mark = document.createElement("mark");
    mark.textContent = hit[0];
    paragraph.append(piece.slice(last, hit.index), mark);
    last = hit.index + hit[0].length;
  }
  paragraph.append(piece.slice(last), start + piece.length < text.length ? " …" : "");
  return paragraph;
}

function show(query) {
  const words = [...new Set(plain(query).split(/\s+/).filter(Boolean))];
  const list = document.getElementById("search-results"), count = document.getElementById("search-count");
  list.replaceChildren();
  if (!words.length) return void (count.textContent = "");
  const found = find(words);
  count.textContent = found.length === 0 ? `Nothing has “${query}”. Try fewer or other words.`
    : found.length > MOST ? `${found.length} sections, the first ${MOST} are shown.`
    : `${found.length} ${found.length === 1 ? "section" : "sections"}.`;
  for (const { path, title, anchor, heading, text } of found.slice(0, MOST)) {
    const item = document.createElement("li"), link = document.createElement("a");
    link.href = path.split("/").map(encodeURIComponent).join("/") + (anchor ? "#" + encodeURIComponent(anchor) : "");
    link.textContent = heading && heading !== title ? `${title}: ${heading}` : title;
    item.append(link, excerpt(text, words));
    list.append(item);
  }
}

const asked = new URLSearchParams(location.search).get("q") || "";
for (const field of document.querySelectorAll('input[name="q"]')) field.value = asked;
document.getElementById("query").addEventListener("input", (event) => show(event.target.value));
show(asked);
