// The explorer of scored test videos. One file for notebooks (anywidget) and for the page from disk.
//
// render({ model, el }) draws into the element `el`. What is chosen lies in `model`: dataset, video, method, seed, threshold,
// w, smoothing, time. Controls write to the model; the model says when something has changed; then all is drawn anew.
// A score belongs to a snippet of 16 frames. Times are seconds, scores are in [0, 1].

// --- numbers: nothing here knows of the page -------------------------------------------------------------
const WINDOW = 5;  // snippets of the moving average; odd, so that it has a middle

// Scores have three decimals everywhere, so that what one reads is what is compared with the threshold.
const thousandths = (score) => Math.round(1000 * score);

// Equation 7: S = w S_c + (1 - w) S_a. Without a w of one's own, S is what the run gave.
function fused(curves, w) {
  if (w === null || !curves.visual) return curves.score;
  return curves.visual.map((visual, i) => Math.round(w * thousandths(visual) + (1 - w) * thousandths(curves.semantic[i])) / 1000);
}

// Centred moving average; at both ends the mean of those snippets that there are.
function smoothed(values) {
  const half = (WINDOW - 1) / 2;
  return values.map((_, i) => {
    const part = values.slice(Math.max(0, i - half), i + half + 1);
    return Math.round(part.reduce((sum, value) => sum + thousandths(value), 0) / part.length) / 1000;
  });
}

// The curves as they are drawn and counted: { score, visual, semantic }, the last two only where the method has them.
function shownCurves(curves, w, smoothing) {
  const all = { score: fused(curves, w) };
  if (curves.visual) Object.assign(all, { visual: curves.visual, semantic: curves.semantic });
  if (smoothing) for (const name in all) all[name] = smoothed(all[name]);
  return all;
}

const isAlarm = (score, threshold) => score >= threshold;
const eventAt = (video, frame) => video.events.find((event) => event.start <= frame && frame < event.end);

// Counts over frames. A false alarm is a run of frames with an alarm, within one video, none of which is abnormal.
function countAlarms(data, videos, scoreOf, threshold) {
  let abnormal = 0, alarmed = 0, found = 0, normal = 0, falseAlarms = 0;
  for (const video of videos) {
    const score = scoreOf(video);
    let hit = null;  // within a run of alarms: whether a frame of it is abnormal
    for (let frame = 0; frame <= video.frames; frame++) {
      const alarm = frame < video.frames && isAlarm(score[Math.floor(frame / data.frames_per_snippet)], threshold);
      if (!alarm && hit === false) falseAlarms++;
      if (!alarm) hit = null;
      if (frame === video.frames) break;
      const event = Boolean(eventAt(video, frame));
      if (event) abnormal++; else normal++;
      if (alarm) { alarmed++; hit = hit || event; }
      if (alarm && event) found++;
    }
  }
  return { recall: found / abnormal, precision: found / alarmed, falseAlarms, perHour: falseAlarms / (normal / data.fps / 3600) };
}

// --- words and drawing -----------------------------------------------------------------------------------
const WORDS = { score: "fused score", visual: "visual score", semantic: "semantic score" };
// nine places of the colour map cividis, from the lowest to the highest cosine
const COLOURS = ["#00224e", "#1a386f", "#434e6c", "#61656f", "#7d7c78", "#9b9476", "#bcae6c", "#dec958", "#fee838"];
const TOP = 16, BOTTOM = 28, RIGHT = 8, HEIGHT = 200, ROW = 17;

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const clock = (seconds) => `${Math.floor(seconds / 60 + 1e-9)}:${(Math.floor(seconds % 60 * 10 + 1e-6) / 10).toFixed(1).padStart(4, "0")}`;
const percent = (value) => Number.isFinite(value) ? `${(100 * value).toFixed(1)} %` : "none";

function colourOf(share) {
  const place = clamp(share, 0, 1) * (COLOURS.length - 1), low = Math.min(Math.floor(place), COLOURS.length - 2);
  const [from, to] = [COLOURS[low], COLOURS[low + 1]].map((text) => parseInt(text.slice(1), 16));
  return [16, 8, 0].map((shift) => {
    const start = from >> shift & 255;
    return Math.round(start + ((to >> shift & 255) - start) * (place - low));
  });
}

const LAYOUT = `
<div class="top">
  <div class="picture">
    <video controls muted playsinline preload="auto" aria-label="The video"></video>
    <p class="failed" hidden>This browser cannot play the video (H.264). The curves and the map work without it.</p>
  </div>
  <div class="choices">
    <label>Data set <select name="dataset"></select></label>
    <label class="long">Video <select name="video"></select></label>
    <label class="long">Method <select name="method"></select></label>
    <label>Seed <select name="seed"></select></label>
    <label class="wide">Threshold: <output></output><input name="threshold" type="range" min="0" max="1" step="0.01"></label>
    <div class="wide mix">
      <label>w, share of the visual branch: <output></output><input name="w" type="range" min="0" max="1" step="0.01"></label>
      <button type="button" name="learned">Learned w</button>
    </div>
    <label class="wide check"><input name="smoothing" type="checkbox"> <span></span></label>
    <table class="counts">
      <thead><tr><td></td><th scope="col">this video</th><th scope="col" class="all"></th></tr></thead>
      <tbody></tbody>
    </table>
  </div>
</div>
<div class="curves">
  <ul class="legend"></ul>
  <p class="reading"></p>
  <svg class="chart" tabindex="0" role="slider" aria-label="Time in the video">
    <g class="truth"></g><g class="grid"></g><g class="lines"></g><g class="limits"></g><line class="now"/>
  </svg>
  <div class="map">
    <ul class="names"></ul>
    <div class="cells"><canvas role="img"></canvas><div class="map-now"></div></div>
  </div>
  <p class="scale"><span class="words"></span>
    <span class="bar"><span class="low"></span> <canvas class="colours" width="64" height="1" aria-hidden="true"></canvas> <span class="high"></span></span></p>
</div>
<p class="keys">Click or drag on the curves or the map: the video goes there. Drag the line of the threshold to move it. Keys, once the
curves have the focus: space plays and stops; left and right go by one snippet, Page Up and Page Down by five, Home and End to both
ends; up and down move the threshold; <span class="numbers"></span>.</p>
<details class="meaning"><summary>What the numbers mean</summary><ul></ul></details>
<details class="table"><summary>The curves as a table</summary><div class="scroll" tabindex="0" role="region" aria-label="The curves as a table"><table></table></div></details>
<p class="live" role="status" aria-live="polite"></p>`;

const COUNTS = [
  ["recall", "Recall", "Recall: the share of abnormal frames that have an alarm."],
  ["precision", "Precision", "Precision: the share of frames with an alarm that are abnormal."],
  ["falseAlarms", "False alarms", "False alarm: a run of frames with an alarm, none of which is abnormal."],
  ["perHour", "False alarms per hour", "Per hour: of normal frames. A few short videos give a coarse rate: one more alarm moves it far."],
];

// --- the explorer ----------------------------------------------------------------------------------------
function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "vad-explorer";
  root.dataset.lmSuppressShortcuts = "true";  // JupyterLab leaves the keys to us
  root.innerHTML = `<div class="inside">${LAYOUT}</div>`;
  el.append(root);
  const $ = (selector) => root.querySelector(selector);
  const control = (name) => $(`[name=${name}]`), chart = $(".chart"), player = $("video"), map = $(".cells canvas");
  const view = { left: 40, width: 600, span: 1 };
  let now = 0, wanted = null, told = 0, toldAt = 0, was = "", address = null, later = 0;
  let data, video, method, run, curves, alignment;  // what is shown

  const fill = (select, html) => { if (select.innerHTML !== html) select.innerHTML = html; };
  const escaped = (text) => String(text).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  const option = (value, words) => `<option value="${escaped(value)}">${escaped(words)}</option>`;
  const number = (name) => name.replace(/^.*_/, "");

  function set(values) {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  }

  // What the model names; where it names nothing that is there, the first.
  function look() {
    const all = model.get("data"), first = (list, key, wanted) => list.find((each) => each[key] === wanted) || list[0];
    data = all[model.get("dataset")] || Object.values(all)[0];
    video = first(data.videos, "name", model.get("video"));
    method = first(data.methods, "name", model.get("method"));
    run = first(method.runs, "seed", model.get("seed"));
    curves = shownCurves(run.videos[video.name], model.get("w"), model.get("smoothing"));
    alignment = run.videos[video.name].alignment;
    view.span = video.frames / data.fps;
  }

  const snippetAt = (seconds) => clamp(Math.floor(seconds * data.fps / data.frames_per_snippet + 1e-6), 0, curves.score.length - 1);
  const edge = (snippet) => Math.min(snippet * data.frames_per_snippet / data.fps, view.span);
  const frameAt = (seconds) => clamp(Math.floor(seconds * data.fps + 1e-6), 0, video.frames - 1);
  const xOf = (seconds) => view.left + seconds / view.span * (view.width - view.left - RIGHT);
  const yOf = (score) => TOP + (1 - score) * (HEIGHT - TOP - BOTTOM);
  const secondsAt = (clientX) => {
    const x = clientX - chart.getBoundingClientRect().left;
    return clamp((x - view.left) / (view.width - view.left - RIGHT), 0, 1) * view.span;
  };

  function drawControls() {
    fill(control("dataset"), Object.values(model.get("data")).map((each) => option(each.name, each.title)).join(""));
    const groups = [...new Set(data.videos.map((each) => each.category))].map((category) => {
      const options = data.videos.filter((each) => each.category === category).map((each) =>
        option(each.name, each.abnormal ? `${category} ${number(each.name)}, abnormal` : `Normal ${number(each.name)}, look-alike of ${category}`));
      return `<optgroup label="${escaped(category)}">${options.join("")}</optgroup>`;
    });
    fill(control("video"), groups.join(""));
    fill(control("method"), data.methods.map((each, i) => option(each.name, `${i + 1}  ${each.title}`)).join(""));
    fill(control("seed"), method.runs.map((each) => option(each.seed, each.seed)).join(""));
    const w = model.get("w"), mixes = Boolean(curves.visual), shown = w === null ? run.w : w;
    const values = { dataset: data.name, video: video.name, method: method.name, seed: run.seed, threshold: model.get("threshold") };
    for (const [name, value] of Object.entries(values)) control(name).value = value;
    control("threshold").parentElement.querySelector("output").textContent = model.get("threshold").toFixed(2);
    control("smoothing").checked = model.get("smoothing");
    $(".check span").textContent = `Smooth: mean of ${WINDOW} snippets (${(WINDOW * data.frames_per_snippet / data.fps).toFixed(1)} s) around each`;
    control("w").disabled = !mixes;
    control("w").value = mixes ? shown : 0.5;
    control("learned").disabled = !mixes || w === null;
    $(".mix output").textContent = !mixes ? "none, the method has one branch" : `${shown.toFixed(2)}${w === null ? ", as learned" : ""}`;
    $(".numbers").textContent = `1 to ${data.methods.length} choose the method`;
  }

  function drawCounts() {
    const scoreOf = (each) => shownCurves(run.videos[each.name], model.get("w"), model.get("smoothing")).score;
    const [one, all] = [[video], data.videos].map((videos) => countAlarms(data, videos, scoreOf, model.get("threshold")));
    $(".counts .all").textContent = `all ${data.videos.length} videos`;
    $(".counts tbody").innerHTML = COUNTS.map(([key, words]) => {
      const cell = (counts, of) => {
        const value = counts[key], text = key === "falseAlarms" ? value : key === "perHour" ? value.toFixed(0) : percent(value);
        return `<td><data data-count="${key}-${of}" value="${Number.isFinite(value) ? value : ""}">${text}</data></td>`;
      };
      return `<tr><th scope="row">${words}</th>${cell(one, "one")}${cell(all, "all")}</tr>`;
    }).join("");
    const notes = [
      `An alarm is a score at or above the threshold. All videos: the ${data.videos.length} of ${data.title} in this list.`,
      ...COUNTS.map(([, , words]) => words),
      "None: there is no such frame. A normal video has no recall; without an alarm there is no precision.",
      `A score belongs to a snippet of ${data.frames_per_snippet} frames (${(data.frames_per_snippet / data.fps).toFixed(2)} s).`,
      "Fused score: S = w S<sub>c</sub> + (1 − w) S<sub>a</sub>, where S<sub>c</sub> is the visual score and S<sub>a</sub> the semantic score.",
      `Videos are rendered test videos. Of each category: the first abnormal one, and the first normal one that was staged like it.
       Scores are those of finished runs (profile ${escaped(data.profile)}), to three decimals; cosines to two.`,
    ];
    $(".meaning ul").innerHTML = notes.map((words) => `<li>${words}</li>`).join("");
  }

  function drawChart() {
    view.width = chart.clientWidth || 600;
    const right = view.width - RIGHT, bottom = HEIGHT - BOTTOM, words = [];
    for (const score of [0, 0.25, 0.5, 0.75, 1]) {
      words.push(`<line x1="${view.left}" x2="${right}" y1="${yOf(score)}" y2="${yOf(score)}"/>`);
      if (score % 0.5 === 0) words.push(`<text x="${view.left - 6}" y="${yOf(score) + 4}" text-anchor="end">${score}</text>`);
    }
    const step = [1, 2, 5, 10, 20, 60].find((size) => view.span / size * 48 <= right - view.left) || 300;
    for (let tick = 0; tick <= view.span; tick += step) {
      const x = xOf(tick), anchor = x > right - 14 ? "end" : "middle";
      words.push(`<line x1="${x}" x2="${x}" y1="${bottom + 10}" y2="${bottom + 13}"/>`);
      words.push(`<text x="${x}" y="${bottom + 24}" text-anchor="${anchor}">${tick < 60 ? `${tick} s` : clock(tick).slice(0, -2)}</text>`);
    }
    $(".grid").innerHTML = words.join("");
    $(".truth").innerHTML = video.events.map((event) => {
      const from = xOf(event.start / data.fps), to = xOf(event.end / data.fps);
      return `<rect x="${from}" y="${TOP}" width="${to - from}" height="${bottom - TOP}"/>
        <text x="${(from + to) / 2}" y="${TOP - 4}" text-anchor="middle">${escaped(event.category)}</text>`;
    }).join("");
    const path = (values) => values.map((value, i) => `${i ? "V" : `M${view.left} `}${yOf(value).toFixed(1)}H${xOf(edge(i + 1)).toFixed(1)}`).join("");
    $(".lines").innerHTML = Object.entries(curves).reverse().map(([name, values]) => `<path class="${name}" d="${path(values)}"/>`).join("");
    const y = yOf(model.get("threshold"));
    const alarms = curves.score.map((value, i) => isAlarm(value, model.get("threshold")) ?
      `<rect class="alarm" x="${xOf(edge(i))}" y="${bottom + 3}" width="${xOf(edge(i + 1)) - xOf(edge(i)) + 0.5}" height="6"/>` : "");
    $(".limits").innerHTML = `${alarms.join("")}<line class="threshold" x1="${view.left}" x2="${right}" y1="${y}" y2="${y}"/>
      <line class="grip" x1="${view.left}" x2="${right}" y1="${y}" y2="${y}"/><circle class="knob" cx="${right}" cy="${y}" r="5"/>`;
    const sample = (name) => `<svg aria-hidden="true">${{ truth: '<rect class="truth" width="24" height="10"/>',
      alarm: '<rect class="alarm" width="24" height="6" y="2"/>' }[name] || `<line class="${name}" x2="24" y1="5" y2="5"/>`}</svg>`;
    const entries = Object.keys(curves).map((name) => [name, curves.visual ? WORDS[name] : "score"]);
    entries.push(["truth", "abnormal (ground truth)"], ["threshold", "threshold"], ["alarm", "alarm"]);
    $(".legend").innerHTML = entries.map(([name, text]) => `<li>${sample(name)}${text}</li>`).join("");
  }

  function drawMap() {
    const values = (alignment || []).flat(), low = Math.min(...values), high = Math.max(...values), names = $(".names");
    fill(names, data.categories.map((name) => `<li title="${escaped(name)}">${escaped(name)}</li>`).join(""));
    names.style.width = "max-content";
    names.classList.add("bold");  // room for the one that is bold
    view.left = Math.min(names.offsetWidth, view.width * 0.3) || 40;
    names.classList.remove("bold");
    names.style.width = `${view.left}px`;
    $(".cells").hidden = !alignment;
    names.classList.toggle("without", !alignment);
    $(".scale .bar").hidden = !alignment;
    $(".scale .words").textContent = alignment ? "Alignment map: cosine with the words of each category," : "This method has no alignment map.";
    if (!alignment) return;
    $(".low").textContent = low.toFixed(2);
    $(".high").textContent = high.toFixed(2);
    const columns = Math.max(1, Math.round(view.width - view.left - RIGHT)), rows = data.categories.length;
    Object.assign(map, { width: columns, height: rows });
    map.style.height = `${ROW * rows}px`;
    map.setAttribute("aria-label", `Alignment map over time: cosines with the words of ${data.categories.join(", ")}, from ${low.toFixed(2)} to ${high.toFixed(2)}.`);
    paint(map, (column, row) => (alignment[snippetAt((column + 0.5) / columns * view.span)][row] - low) / (high - low || 1));
    paint($(".scale .colours"), (column) => column / 63);
  }

  function paint(canvas, share) {
    const context = canvas.getContext("2d"), pixels = context.createImageData(canvas.width, canvas.height);
    for (let row = 0; row < canvas.height; row++) {
      for (let column = 0; column < canvas.width; column++) {
        pixels.data.set([...colourOf(share(column, row)), 255], 4 * (row * canvas.width + column));
      }
    }
    context.putImageData(pixels, 0, 0);
  }

  function drawTable() {
    const head = ["snippet", "from", "to", ...Object.keys(curves).map((name) => curves.visual ? WORDS[name] : "score"), "alarm", "ground truth"];
    if (alignment) head.push("nearest words");
    const rows = curves.score.map((score, i) => {
      const middle = Math.min(i * data.frames_per_snippet + data.frames_per_snippet / 2, video.frames - 1);
      const cells = [i + 1, clock(edge(i)), clock(edge(i + 1)), ...Object.values(curves).map((values) => values[i].toFixed(3)),
        isAlarm(score, model.get("threshold")) ? "alarm" : "no alarm", eventAt(video, middle) ? eventAt(video, middle).category : "normal"];
      if (alignment) cells.push(nearest(i));
      return `<tr>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join("")}</tr>`;
    });
    $(".table table").innerHTML = `<caption>Each snippet of ${escaped(video.name)}, ${escaped(method.title)}, seed ${run.seed}; the ground truth is that of its middle frame.</caption>
      <thead><tr>${head.map((text) => `<th scope="col">${text}</th>`).join("")}</tr></thead><tbody>${rows.join("")}</tbody>`;
  }

  const nearest = (snippet) => data.categories[alignment[snippet].indexOf(Math.max(...alignment[snippet]))];

  // Where we are: the cursor, the line of words, and what a screen reader is told.
  function drawNow() {
    const x = xOf(now), line = $("line.now"), i = snippetAt(now), event = eventAt(video, frameAt(now));
    for (const [name, value] of [["x1", x], ["x2", x], ["y1", TOP], ["y2", HEIGHT - BOTTOM + 10]]) line.setAttribute(name, value);
    $(".map-now").style.left = `${x - view.left}px`;
    const alarm = isAlarm(curves.score[i], model.get("threshold")) ? "alarm" : "no alarm";
    const words = [`${clock(now)} of ${clock(view.span)}`, `snippet ${i + 1} of ${curves.score.length}`];
    words.push(...Object.entries(curves).map(([name, values]) => `${curves.visual ? WORDS[name] : "score"} ${values[i].toFixed(3)}`));
    words.push(alarm, event ? `ground truth: ${event.category}` : "ground truth: normal");
    if (alignment) words.push(`nearest words: ${nearest(i)}`);
    [...$(".names").children].forEach((item, k) => item.classList.toggle("best", Boolean(alignment) && data.categories[k] === nearest(i)));
    $(".reading").textContent = words.join(" · ");
    $(".reading").classList.toggle("in-alarm", alarm === "alarm");
    for (const [name, value] of [["min", 0], ["max", view.span.toFixed(2)], ["now", now.toFixed(2)], ["text", words.join(", ")]]) {
      chart.setAttribute(`aria-value${name}`, value);
    }
    if (alarm !== was && !player.paused) say(words);
    was = alarm;
  }

  function say(words) {
    clearTimeout(later);
    later = setTimeout(() => { $(".live").textContent = (words || $(".reading").textContent.split(" · ")).join(", "); }, words ? 0 : 400);
  }

  function draw() {
    look();
    now = clamp(now, 0, view.span);
    drawControls();
    drawCounts();
    drawMap();
    drawChart();
    drawTable();
    drawNow();
  }

  // --- what a person does --------------------------------------------------------------------------------
  function goTo(seconds) {
    now = clamp(seconds, 0, view.span);
    wanted = now;
    seek();
    drawNow();
    tell(true);
    say();
  }

  // Bring the video to the wanted time. One search at a time: Chromium can hang when a search replaces another.
  function seek() {
    if (wanted === null || player.seeking) return;
    player.currentTime = Math.min(wanted + 0.0005, view.span);  // behind the edge of the frame: rounding does not show the one before
    wanted = null;
  }

  // The model learns the time at once when somebody goes there, and four times a second while the video plays.
  function tell(atOnce) {
    if (!atOnce && performance.now() - toldAt < 250) return;
    toldAt = performance.now();
    told = Math.round(now * 1000) / 1000;
    if (model.get("time") !== told) set({ time: told });
  }

  function load() {
    const picture = model.get("picture") || {};
    if (picture.of !== `${data.name}/${video.name}`) { player.removeAttribute("src"); return; }
    if (address) URL.revokeObjectURL(address);
    const file = typeof picture.content === "string" ? null : new Blob([picture.content], { type: "video/mp4" });
    address = file && URL.createObjectURL(file);
    $(".failed").hidden = true;
    player.onerror = () => {
      if (!file || player.src.startsWith("data:")) { $(".failed").hidden = false; return; }
      const reader = new FileReader();  // a place that forbids blob: may allow data:
      reader.onload = () => { player.src = reader.result; };
      reader.readAsDataURL(file);
    };
    player.src = address || picture.content;
    wanted = now || null;
    seek();
  }

  // What the other choices become where they do not know the new one: the first that there is.
  function choose(name, value) {
    const of = model.get("data")[name === "dataset" ? value : data.name];
    const changes = name === "dataset" || name === "video" ? { time: now = told = 0 } : {};  // first: another video begins at 0
    changes[name] = value;
    if (name === "dataset") changes.video = of.videos[0].name;
    const wanted = of.methods.find((each) => each.name === (changes.method || method.name)) || of.methods[0];
    changes.method = wanted.name;
    if (!wanted.runs.some((each) => each.seed === (changes.seed || run.seed))) changes.seed = wanted.runs[0].seed;
    set(changes);
    say();
  }

  function play() { if (player.paused) player.play().catch(() => {}); else player.pause(); }

  function onKey(event) {
    const i = snippetAt(now), five = 5 * data.frames_per_snippet / data.fps, threshold = model.get("threshold");
    const moves = {
      ArrowLeft: () => goTo(now > edge(i) + 0.01 ? edge(i) : edge(Math.max(i - 1, 0))), ArrowRight: () => goTo(edge(i + 1)),
      PageUp: () => goTo(now - five), PageDown: () => goTo(now + five), Home: () => goTo(0), End: () => goTo(view.span),
      ArrowUp: () => set({ threshold: Math.min(1, Math.round(100 * threshold + 1) / 100) }),
      ArrowDown: () => set({ threshold: Math.max(0, Math.round(100 * threshold - 1) / 100) }), " ": play,
    };
    const wanted = data.methods[Number(event.key) - 1];
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in moves || wanted)) return;
    event.preventDefault();
    event.stopPropagation();
    if (wanted) choose("method", wanted.name); else moves[event.key]();
  }

  function listen() {
    for (const name of ["dataset", "video", "method", "seed"]) {
      control(name).onchange = () => choose(name, name === "seed" ? Number(control(name).value) : control(name).value);
    }
    for (const name of ["threshold", "w"]) control(name).oninput = () => set({ [name]: Number(control(name).value) });
    control("smoothing").onchange = () => set({ smoothing: control("smoothing").checked });
    control("learned").onclick = () => set({ w: null });
    for (const surface of [chart, map]) {
      let held = "", start = 0;
      surface.onpointerdown = (event) => {
        if (event.button) return;
        held = event.target.matches(".grip, .knob") ? "grip" : "time";
        start = event.clientY;
        surface.setPointerCapture(event.pointerId);
        if (held === "time") goTo(secondsAt(event.clientX));
      };
      surface.onpointermove = (event) => {
        if (held === "time") goTo(secondsAt(event.clientX));
        if (held === "grip" && Math.abs(event.clientY - start) > 2) held = "threshold";
        const share = 1 - (event.clientY - chart.getBoundingClientRect().top - TOP) / (HEIGHT - TOP - BOTTOM);
        if (held === "threshold") set({ threshold: clamp(Math.round(share * 100) / 100, 0, 1) });
      };
      surface.onpointerup = (event) => {
        if (held === "grip") goTo(secondsAt(event.clientX));  // a click on the line, no drag
        held = "";
      };
      surface.onpointercancel = () => { held = ""; };
    }
    chart.onkeydown = onKey;
    const follow = () => {
      if (player.seeking || wanted !== null || !player.src) return;  // a later place is wanted already
      now = clamp(player.currentTime, 0, view.span);
      drawNow();
      tell(false);
    };
    const frame = () => { follow(); if (!player.paused) requestAnimationFrame(frame); };
    player.onplay = frame;
    player.onpause = () => { follow(); tell(true); say(); };
    // a place that was chosen in the video's own controls; one that was chosen here is there already
    player.onseeked = () => { seek(); if (Math.abs(player.currentTime - now) > 0.01) player.onpause(); };
  }

  const changed = { picture: load, time: () => { if (model.get("time") !== told) { told = model.get("time"); goTo(told); } } };
  for (const name of ["video", "dataset"]) changed[name] = () => { now = told = model.get("time"); draw(); load(); };
  for (const name of ["data", "method", "seed", "threshold", "w", "smoothing"]) changed[name] = draw;
  for (const [name, answer] of Object.entries(changed)) model.on(`change:${name}`, answer);
  listen();
  now = told = model.get("time");
  draw();
  load();
  const observer = new ResizeObserver(() => { if (chart.clientWidth !== view.width) draw(); });
  observer.observe(root);
  return () => {
    observer.disconnect();
    player.pause();
    for (const [name, answer] of Object.entries(changed)) model.off(`change:${name}`, answer);
    if (address) URL.revokeObjectURL(address);
  };
}

export default { render };
