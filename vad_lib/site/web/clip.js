// The clip of the first page: the curve is drawn as far as the video has been seen.
"use strict";
const video = document.querySelector(".clip video"), svg = document.querySelector(".clip svg");
const seen = svg.querySelector("clipPath rect"), now = svg.querySelector(".now");
const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);

function follow() {
  if (video.duration) {
    const x = (width * video.currentTime) / video.duration;
    seen.setAttribute("width", x);
    now.setAttribute("d", `M${x} 0V${height}`);
  }
  if (!video.paused) requestAnimationFrame(follow);
}
video.addEventListener("play", follow);
video.addEventListener("seeking", follow);
video.addEventListener("loadeddata", () => {
  // Who wants less motion starts it by the button.
  if (!window.matchMedia("(prefers-reduced-motion: reduce)").matches) video.play().catch(() => {});
});
