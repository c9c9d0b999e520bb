"use strict";
const data = JSON.parse(document.getElementById("data").textContent);

// --- the rule of vad_lib/deployment/events.py -------------------------------------------------------------
// A piece is a stretch of frames of one score. Piece i lasts from edges[i] to edges[i + 1] seconds.

function eventSpans(edges, score, rule) {
  const rounding = 1e-6, lower = rule.threshold * rule.lower_share, spans = [];
  let first = -1;
  for (let i = 0; i <= score.length; i++) {
    if (first < 0 && score[i] >= rule.threshold) first = i;
    if (first >= 0 && !(score[i] >= lower)) {
      const before = spans[spans.length - 1];
      if (before && edges[first] - edges[before[1]] < rule.gap - rounding) before[1] = i;
      else spans.push([first, i]);
      first = -1;
    }
  }
  return spans.filter(([start, behind]) => edges[behind] - edges[start] >= rule.shortest - rounding);
}

function findEvents(pieces, rule) {
  return eventSpans(pieces.edges, pieces.score, rule).map(([start, behind], i) => {
    let highest = start;
    for (let p = start; p < behind; p++) if (pieces.score[p] > pieces.score[highest]) highest = p;
    return {
      number: i + 1, start: pieces.edges[start], end: pieces.edges[behind], peak: pieces.middles[highest],
      start_frame: pieces.frames[start], end_frame: pieces.frames[behind], score: pieces.score[highest],
      ...mostLikely(pieces, start, behind),
    };
  });
}

function mostLikely(pieces, start, behind) {
  if (!pieces.probabilities) return { category: null, confidence: null };
  const sums = data.categories.map(() => 0);
  for (let p = start; p < behind; p++) {
    const frames = pieces.frames[p + 1] - pieces.frames[p];
    pieces.probabilities[p].forEach((value, k) => { sums[k] += value * frames; });
  }
  let best = 1;  // the first category is the normal one
  for (let k = 1; k < sums.length; k++) if (sums[k] > sums[best]) best = k;
  return { category: data.categories[best], confidence: sums[best] / (pieces.frames[behind] - pieces.frames[start]) };
}

// --- what is shown ----------------------------------------------------------------------------------------
const $ = (id) => document.getElementById(id);
const video = $("video"), chart = $("chart"), slider = $("threshold");
const curves = { score: { edges: data.pieces.edges, values: data.pieces.score }, ...data.curves };
const edges = data.pieces.edges, begin = edges[0], finish = edges[edges.length - 1];
const TOP = 14, BOTTOM = 20, RIGHT = 8;
const view = { from: begin, to: finish, left: 34, width: 600, height: 190 };
let rule = { ...data.rule }, events = data.events, now = begin, wanted = null, margin = 34;

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const xOf = (seconds) => view.left + (seconds - view.from) / (view.to - view.from) * (view.width - view.left - RIGHT);
const yOf = (score) => TOP + (1 - score) * (view.height - TOP - BOTTOM);
const atX = (x) => clamp(view.from + (x - view.left) / (view.width - view.left - RIGHT) * (view.to - view.from), begin, finish);
const atY = (y) => clamp(1 - (y - TOP) / (view.height - TOP - BOTTOM), 0, 1);

function clock(seconds, digits = 1) {
  const unit = 10 ** digits, all = Math.round(seconds * unit), whole = Math.floor(all / unit);
  const parts = [Math.floor(whole / 60) % 60, whole % 60], hours = Math.floor(whole / 3600);
  const text = (hours ? `${hours}:${String(parts[0]).padStart(2, "0")}` : parts[0]) + ":" + String(parts[1]).padStart(2, "0");
  return digits ? `${text}.${String(all % unit).padStart(digits, "0")}` : text;
}

// The place of a time among growing edges: i with edges[i] <= seconds < edges[i + 1].
function place(among, seconds) {
  let low = 0, high = among.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (among[middle] <= seconds) low = middle; else high = middle;
  }
  return low;
}

// A curve of steps; where several steps share a pixel, one upright stroke from the lowest to the highest stands for them.
function steps({ edges, values }) {
  const first = place(edges, view.from), words = [];
  let column = -1, low = 0, high = 0, last = 0;
  const flush = () => {
    if (column >= 0 && high > low) words.push(`V${yOf(high).toFixed(1)}V${yOf(low).toFixed(1)}V${yOf(last).toFixed(1)}`);
  };
  for (let i = first; i < values.length && edges[i] <= view.to; i++) {
    const x = Math.max(xOf(edges[i]), view.left), y = values[i];
    if (Math.floor(x) !== column) {
      flush();
      words.push(words.length ? `H${x.toFixed(1)}V${yOf(y).toFixed(1)}` : `M${x.toFixed(1)} ${yOf(y).toFixed(1)}`);
      column = Math.floor(x);
      low = high = y;
    }
    low = Math.min(low, y);
    high = Math.max(high, y);
    last = y;
  }
  flush();
  return `${words.join("")}H${xOf(Math.min(view.to, finish)).toFixed(1)}`;
}

function drawGrid() {
  const span = view.to - view.from, most = Math.max(2, Math.floor((view.width - view.left) / 64));
  const sizes = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400];
  const size = sizes.find((candidate) => span / candidate <= most) || Math.ceil(span / most / 86400) * 86400;
  const words = [], right = view.width - RIGHT, bottom = view.height - BOTTOM;
  for (const score of [0, 0.25, 0.5, 0.75, 1]) {
    words.push(`<line x1="${view.left}" x2="${right}" y1="${yOf(score)}" y2="${yOf(score)}"/>`);
    if (score % 0.5 === 0) words.push(`<text x="${view.left - 6}" y="${yOf(score) + 4}" text-anchor="end">${score}</text>`);
  }
  for (let tick = Math.ceil(view.from / size - 1e-9); tick * size <= view.to; tick++) {
    const x = xOf(tick * size), anchor = x > right - 16 ? "end" : "middle";
    words.push(`<line x1="${x}" x2="${x}" y1="${bottom}" y2="${bottom + 4}"/>`);
    words.push(`<text x="${x}" y="${bottom + 15}" text-anchor="${anchor}">${clock(tick * size, size < 1 ? 1 : 0)}</text>`);
  }
  $("grid").innerHTML = words.join("");
}

function drawLimits() {
  const right = view.width - RIGHT, y = yOf(rule.threshold), lower = yOf(rule.threshold * rule.lower_share);
  let room = -Infinity;
  $("shades").innerHTML = events.filter((event) => event.end > view.from && event.start < view.to).map((event) => {
    const from = Math.max(xOf(event.start), view.left), to = Math.min(xOf(event.end), right);
    const shade = `<rect class="event" data-number="${event.number}" x="${from}" y="${TOP}" width="${Math.max(to - from, 1.5)}"
      height="${view.height - TOP - BOTTOM}"/>`;
    if (from < room) return shade;
    room = from + 8 * (String(event.number).length + 1);
    return `${shade}<text x="${from}" y="${TOP - 3}">${event.number}</text>`;
  }).join("");
  $("limits").innerHTML = `<line class="lower" x1="${view.left}" x2="${right}" y1="${lower}" y2="${lower}"/>
    <line class="threshold" x1="${view.left}" x2="${right}" y1="${y}" y2="${y}"/>
    <line class="grip" x1="${view.left}" x2="${right}" y1="${y}" y2="${y}"/>
    <circle class="knob" cx="${right}" cy="${y}" r="6"/>`;
}

// Each column of pixels shows the largest cosine of its time, so that short peaks do not vanish.
function drawMap() {
  if (!data.alignment) return;
  const { edges: times, values, low, high } = data.alignment, heat = $("heat"), rows = data.categories.length;
  const columns = Math.max(1, Math.round(view.width - view.left - RIGHT)), step = (view.to - view.from) / columns;
  heat.width = columns;
  heat.height = rows;
  heat.style.height = `${17 * rows}px`;
  const pixels = heat.getContext("2d").createImageData(columns, rows), scale = (data.colours.length - 1) / (high - low || 1);
  for (let column = 0; column < columns; column++) {
    const start = place(times, view.from + column * step), end = place(times, view.from + (column + 1) * step - 1e-9);
    for (let row = 0; row < rows; row++) {
      let largest = values[start][row];
      for (let i = start + 1; i <= end; i++) largest = Math.max(largest, values[i][row]);
      const colour = parseInt(data.colours[Math.round((largest - low) * scale)].slice(1), 16);
      pixels.data.set([colour >> 16, colour >> 8 & 255, colour & 255, 255], 4 * (row * columns + column));
    }
  }
  heat.getContext("2d").putImageData(pixels, 0, 0);
}

function draw() {
  view.width = chart.clientWidth || chart.parentElement.clientWidth;
  view.height = chart.clientHeight || 190;
  view.left = Math.min(margin, view.width * 0.3);
  $("names").style.width = `${view.left}px`;
  $("cells").style.marginRight = `${RIGHT}px`;
  const paths = Object.entries(curves).map(([name, curve]) => `<path class="${name}" d="${steps(curve)}"/>`);
  $("curves").innerHTML = paths.reverse().join("");  // the score on top
  const all = view.from <= begin && view.to >= finish;
  for (const id of ["earlier", "later", "wider"]) $(id).disabled = all;
  drawGrid();
  drawLimits();
  drawMap();
  drawNow();
}

function drawNow() {
  const shown = now >= view.from && now <= view.to, x = xOf(now), line = $("now");
  for (const [name, value] of [["x1", x], ["x2", x], ["y1", TOP], ["y2", view.height - BOTTOM]]) line.setAttribute(name, value);
  line.style.display = $("map-now").style.display = shown ? "" : "none";
  $("map-now").style.left = `${x - view.left}px`;
  const present = events.find((event) => event.start <= now && now < event.end);
  for (const shape of document.querySelectorAll("[data-number]")) {
    shape.classList.toggle("present", Boolean(present) && Number(shape.dataset.number) === present.number);
  }
  let words = clock(now);
  for (const [name, curve] of Object.entries(curves)) {
    words += ` · ${data.words[name]} ${curve.values[place(curve.edges, now)].toFixed(2)}`;
  }
  if (data.alignment) {
    const cosines = data.alignment.values[place(data.alignment.edges, now)], best = cosines.indexOf(Math.max(...cosines));
    [...$("names").children].forEach((item, k) => item.classList.toggle("best", k === best));
    words += ` · nearest words: ${data.categories[best]}`;
  }
  $("reading").textContent = words;
  chart.setAttribute("aria-valuemin", begin);
  chart.setAttribute("aria-valuemax", finish);
  chart.setAttribute("aria-valuenow", now.toFixed(2));
  chart.setAttribute("aria-valuetext", words + (present ? ` · in event ${present.number}` : ""));
}

function fillTable() {
  const body = $("events");
  body.replaceChildren(...events.map((event) => {
    const row = document.createElement("tr");
    row.dataset.number = event.number;
    const texts = [event.number, clock(event.start), clock(event.end), clock(event.peak), (event.end - event.start).toFixed(1),
      event.score.toFixed(2)];
    if (event.category !== null) texts.push(event.category, event.confidence.toFixed(2));
    texts.forEach((text, i) => {
      const cell = row.insertCell();
      if (i === 1 || i === 3) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = text;
        button.title = i === 1 ? "Go to the start" : "Go to the peak";
        button.onclick = (click) => { click.stopPropagation(); goTo(i === 1 ? event.start : event.peak); };
        cell.append(button);
      } else cell.textContent = text;
      if (i === 2) cell.className = "end";
      if (i === 6) cell.className = "words";
    });
    row.onclick = () => goTo(event.start);
    return row;
  }));
  const count = events.length, own = rule.threshold === data.rule.threshold;
  $("count").textContent = `${count || "No"} event${count === 1 ? "" : "s"} at threshold ${rule.threshold.toFixed(3)}${own ? "" : " (changed)"}`;
  $("none").hidden = count > 0;
  document.querySelector("#list table").hidden = !count;
}

// --- what a person does -----------------------------------------------------------------------------------
function goTo(seconds) {
  now = clamp(seconds, begin, finish);
  show(now);
  wanted = now;
  seek();
  drawNow();
}

// Bring the video to the wanted time. One search at a time: Chromium can hang when a search replaces another.
function seek() {
  if (!video || wanted === null || video.seeking) return;
  video.currentTime = wanted + 0.0005;  // behind the edge of the frame, so that rounding does not show the one before
  wanted = null;
}

// Move the part that is drawn so that a time lies in it.
function show(seconds) {
  if (seconds < view.from || seconds > view.to) look(seconds - (view.to - view.from) / 5, view.to - view.from);
}

function look(from, span) {
  span = clamp(span, Math.min(2, finish - begin), finish - begin);
  view.from = clamp(from, begin, finish - span);
  view.to = view.from + span;
  draw();
}

let waiting = false;
function setThreshold(threshold, written = false) {
  rule = { ...data.rule, threshold };
  slider.value = threshold;
  $("threshold-value").textContent = threshold.toFixed(3);
  $("reset").disabled = threshold === data.rule.threshold;
  if (written) history.replaceState(null, "", threshold === data.rule.threshold ? "#" : `#threshold=${threshold}`);
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    events = rule.threshold === data.rule.threshold ? data.events : findEvents(data.pieces, rule);
    fillTable();
    drawLimits();
    drawNow();
  });
}

function readAddress() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const threshold = Number(wanted.get("threshold")), seconds = Number(wanted.get("t"));
  if (threshold > 0 && threshold <= 1) setThreshold(threshold);
  if (wanted.has("t") && Number.isFinite(seconds)) goTo(seconds);
}

function listenToChart() {
  let held = null, start = 0;
  chart.onpointerdown = (event) => {
    if (event.button) return;
    held = event.target.matches(".grip, .knob") ? "threshold" : "time";
    start = event.clientY;
    chart.setPointerCapture(event.pointerId);
    if (held === "time") goTo(atX(event.clientX - chart.getBoundingClientRect().left));
  };
  chart.onpointermove = (event) => {
    const box = chart.getBoundingClientRect();
    if (held === "time") goTo(atX(event.clientX - box.left));
    if (held === "threshold" && Math.abs(event.clientY - start) > 2) held = "drag";
    if (held === "drag") setThreshold(Math.max(0.001, Math.round(atY(event.clientY - box.top) * 1000) / 1000));
  };
  chart.onpointerup = (event) => {
    if (held === "threshold") goTo(atX(event.clientX - chart.getBoundingClientRect().left));  // a click, not a drag
    if (held === "drag") setThreshold(rule.threshold, true);
    held = null;
  };
  chart.onpointercancel = () => { held = null; };
  chart.onkeydown = (event) => {
    const moves = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };
    if (event.key === " " && video) { if (video.paused) video.play(); else video.pause(); }
    else if (event.key in moves) goTo(now + moves[event.key]);
    else return;
    event.preventDefault();
  };
  $("heat").onclick = (event) => goTo(atX(event.clientX - chart.getBoundingClientRect().left));
}

function listenToControls() {
  const span = () => view.to - view.from;
  slider.oninput = () => setThreshold(Math.max(0.001, Number(slider.value)));
  slider.onchange = () => setThreshold(rule.threshold, true);
  $("reset").onclick = () => setThreshold(data.rule.threshold, true);
  $("closer").onclick = () => look(now - span() / 6, span() / 3);
  $("wider").onclick = () => look(view.from - span(), span() * 3);
  $("earlier").onclick = () => look(view.from - span() / 2, span());
  $("later").onclick = () => look(view.from + span() / 2, span());
  window.onhashchange = readAddress;
  new ResizeObserver(draw).observe(chart.parentElement);
}

function listenToVideo() {
  if (!video) return;
  const follow = () => {
    if (video.seeking || wanted !== null) return;  // a later place is wanted already
    now = clamp(video.currentTime, begin, finish);
    show(now);
    drawNow();
  };
  const frame = () => { follow(); if (!video.paused) requestAnimationFrame(frame); };
  video.onplay = frame;
  video.ontimeupdate = follow;
  video.onseeked = () => { seek(); follow(); };
  video.onerror = () => { $("video-failed").hidden = false; };
  if (video.error) video.onerror();
}

function prepare() {
  $("legend").innerHTML = Object.keys(curves).map((name) =>
    `<li><svg aria-hidden="true"><line class="${name}" x2="26" y1="5" y2="5"/></svg>${data.words[name]}</li>`).join("");
  for (const cell of document.querySelectorAll("th.kind")) cell.hidden = !data.pieces.probabilities;
  if (data.alignment) {
    $("map").hidden = $("scale").hidden = false;
    for (const category of data.categories) {
      const item = document.createElement("li");
      item.textContent = item.title = category;
      $("names").append(item);
    }
    margin = Math.max(margin, $("names").offsetWidth + 14);  // room for the one that is bold
    $("heat").setAttribute("aria-label", `Heat map over time: cosine with the words of ${data.categories.join(", ")}.`);
    $("colours").style.background = `linear-gradient(to right, ${data.colours.join(", ")})`;
    $("coldest").textContent = data.alignment.low.toFixed(2);
    $("hottest").textContent = data.alignment.high.toFixed(2);
  }
  listenToChart();
  listenToControls();
  listenToVideo();
  setThreshold(data.rule.threshold);
  draw();
  readAddress();
}
prepare();
