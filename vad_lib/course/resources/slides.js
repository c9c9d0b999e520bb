// One slide at a time, by keys, clicker or buttons. Without this script all slides stand below each other.
"use strict";
document.documentElement.classList.add("shown");
const slides = [...document.querySelectorAll("section")];
const SMALLEST = 0.7; // of the usual letters; what is still too long scrolls
let number = 0, steps = 0; // the slide, and how many of its fragments are there

function fit(slide) {
  for (let size = 1; size > SMALLEST; size -= 0.03) {
    slide.style.fontSize = `${size}em`;
    if (slide.scrollHeight <= slide.clientHeight) return;
  }
}
function show(wanted, all) {
  number = Math.min(Math.max(wanted, 0), slides.length - 1);
  const fragments = slides[number].querySelectorAll(".fragment");
  steps = all ? fragments.length : 0;
  slides.forEach((slide, place) => slide.classList.toggle("current", place === number));
  update();
  fit(slides[number]);
  document.getElementById("place").textContent = `${number + 1} / ${slides.length}`;
  history.replaceState(null, "", `#${number + 1}`);
}
function update() {
  slides[number].querySelectorAll(".fragment").forEach((fragment, place) => fragment.classList.toggle("later", place >= steps));
}
function on() {
  if (steps < slides[number].querySelectorAll(".fragment").length) steps += 1, update();
  else if (number < slides.length - 1) show(number + 1, false);
}
function back() {
  if (steps > 0) steps -= 1, update();
  else if (number > 0) show(number - 1, true);
}
const keys = { ArrowRight: on, ArrowDown: on, PageDown: on, " ": on, ArrowLeft: back, ArrowUp: back, PageUp: back };
keys.Home = () => show(0, false);
keys.End = () => show(slides.length - 1, true);
document.addEventListener("keydown", (event) => {
  const act = event.target.closest("button, a") && event.key === " " ? null : keys[event.key];
  if (!act || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  act();
});
document.getElementById("on").addEventListener("click", on);
document.getElementById("back").addEventListener("click", back);
addEventListener("resize", () => fit(slides[number]));
addEventListener("hashchange", () => show(Number(location.hash.slice(1)) - 1 || 0, true));
show(Number(location.hash.slice(1)) - 1 || 0, false);
