
// --- the page: a model with what render() asks of the one of a notebook ------------------------------------
const state = JSON.parse(document.getElementById("state").textContent), answers = {};
const model = {
  get: (name) => name === "picture"
    ? { of: `${state.dataset}/${state.video}`, content: `${state.folder}/${state.dataset}/${state.video}.mp4` } : state[name],
  set(name, value) {
    if (state[name] === value) return;
    state[name] = value;
    for (const answer of answers[`change:${name}`] || []) answer();
  },
  on(name, answer) { (answers[name] ||= []).push(answer); },
  off(name, answer) { answers[name] = (answers[name] || []).filter((each) => each !== answer); },
  save_changes() {},
};

// The address can say what is shown at first: explorer.html#video=test_Arson_000&threshold=0.7
for (const [name, text] of new URLSearchParams(location.hash.slice(1))) {
  const number = Number(text);
  if (["dataset", "video", "method"].includes(name)) state[name] = text;
  if (["threshold", "w"].includes(name) && number >= 0 && number <= 1) state[name] = number;
  if (["seed", "time"].includes(name) && number >= 0) state[name] = number;
  if (name === "smoothing") state.smoothing = text === "true";
}
render({ model, el: document.getElementById("explorer") });
