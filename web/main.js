// The page: what is open, what is drawn of it, and how it answers. steps.js holds what the tour says.
import { drawFlipped, drawHeat, drawStroke } from "../hvqlib/course/painting.js";
import { bring } from "./loading.js";
import { drawThreshold } from "./chart.js";
import { LEVELS, steps } from "./steps.js";
import { thresholdOf, verdictOf } from "./verdict.js";

const first = JSON.parse(document.getElementById("first").textContent);
const $ = (id) => document.getElementById(id), SIZE = 448, SIDE = 14, PLACES = 196, CELL = SIZE / SIDE, LAST = steps.length - 1;

const state = {
  first, step: 0, classId: first.open, index: first.shown.index, sample: first.shown, result: null, base: null, own: null,
  strokes: [], place: 104, answers: {}, away: thresholdOf(first), cursor: [0.5, 0.5], down: false,
  pictures: null, sheets: null, arrays: null, detector: null,
};
const source = document.createElement("canvas"); // the picture as it came, in its own pixels
const paper = document.createElement("canvas"); // the same with strokes on it
const layer = document.createElement("canvas"); // the strokes alone
let drawn = []; // redraws of the panels on the stage
let answer = ""; // what is said now

// ---------------------------------------------------------------- pictures and results

const image = (url) => new Promise((resolve, reject) => {
  const node = new Image();
  node.onload = () => resolve(node);
  node.onerror = () => reject(new Error("This file is no picture that the browser can read."));
  node.src = url;
});

function lay(node, width, height) {
  for (const canvas of [source, paper]) { canvas.width = width; canvas.height = height; }
  source.getContext("2d", { willReadFrequently: true }).drawImage(node, 0, 0, width, height);
  strokesOn();
}

function strokesOn() {
  const pen = paper.getContext("2d", { willReadFrequently: true }), { width, height } = paper;
  pen.globalCompositeOperation = "source-over";
  pen.drawImage(source, 0, 0);
  if (!state.strokes.length) return;
  const ink = layer.getContext("2d");
  Object.assign(layer, { width, height }); // empties it
  ink.scale(width / 224, height / 224); // strokes are in pixels of what the network sees
  for (const stroke of state.strokes) drawStroke(ink, stroke, first.paints);
  pen.drawImage(layer, 0, 0);
}

const pixels = () => paper.getContext("2d", { willReadFrequently: true }).getImageData(0, 0, paper.width, paper.height);

async function open(classId, index) {
  const sample = state.pictures ? state.pictures[first.classes[classId]][index] : first.shown;
  const node = await image(sample.picture);
  Object.assign(state, { classId, index, sample, own: null, strokes: [], result: sample.result, base: sample.result });
  lay(node, node.naturalWidth, node.naturalHeight);
  refresh();
}

async function openOwn(file) {
  try {
    const url = URL.createObjectURL(file), node = await image(url), most = 2000 / Math.max(node.naturalWidth, node.naturalHeight);
    const [width, height] = [node.naturalWidth, node.naturalHeight].map((v) => Math.max(1, Math.round(v * Math.min(1, most))));
    URL.revokeObjectURL(url);
    Object.assign(state, { own: file.name, sample: null, strokes: [], result: null, base: null });
    lay(node, width, height);
    refresh();
    say(`${file.name}: the detector is looking.`);
    if (await look()) state.base = state.result;
    if (state.result) { state.classId = state.result.classId; refresh(); }
  } catch (error) {
    say(error.message);
  }
}

// Ask the detector about the picture as it is now. Only the newest question is answered.
let asked = 0, busy = null;
async function look() {
  const mine = ++asked;
  if (!state.detector) { say("The detector is still being loaded: a moment."); return false; }
  await busy;
  if (mine !== asked) return false;
  const began = performance.now(), wanted = new Set(steps[state.step].after), classId = state.own && !state.base ? -1 : state.classId;
  const more = { withPatches: wanted.has("patches"), withTwin: wanted.has("twinPatches") || classId < 0 };
  busy = state.detector.judge(pixels(), { classId, ...more })
    .then((result) => { state.result = result; state.answered = performance.now() - began; })
    .catch((error) => say(`The detector stopped: ${error.message}`));
  await busy;
  redraw();
  return true;
}

// The unpainted picture with what lies inside: needed to say what became of the paint.
async function ensureBase() {
  if (state.base?.features || !state.detector || state.own) return;
  const strokes = state.strokes;
  state.strokes = [];
  strokesOn();
  const picture = pixels();
  state.strokes = strokes;
  strokesOn();
  state.base = { ...state.base, ...await state.detector.judge(picture, { classId: state.classId, withTwin: true }) };
}

function flipped() {
  if (!state.base || !state.result) return [];
  return Array.from({ length: PLACES }, (_, p) => p).filter((p) => state.base.codes[p] !== state.result.codes[p]);
}

// How much of what the paint changed is in the reconstruction: slope of the rebuilt change on the true one.
function survival(rebuilt) {
  const { base, result } = state;
  if (!state.strokes.length || !base?.features || !result?.features || !base[rebuilt] || !result[rebuilt]) return null;
  const a = source.getContext("2d").getImageData(0, 0, source.width, source.height).data, b = pixels().data;
  const changed = new Float32Array(PLACES), all = (source.width * source.height) / PLACES;
  for (let y = 0; y < source.height; y++) for (let x = 0; x < source.width; x++) {
    const i = 4 * (y * source.width + x);
    if (Math.max(...[0, 1, 2].map((c) => Math.abs(a[i + c] - b[i + c]))) < 8) continue;
    changed[Math.floor((y / source.height) * SIDE) * SIDE + Math.floor((x / source.width) * SIDE)] += 1 / all;
  }
  const least = Math.max(...changed) > 0.5 ? 0.5 : 0;
  let up = 0, down = 0;
  for (let i = 0; i < result.features.length; i++) {
    if (changed[i % PLACES] <= least) continue;
    const true_ = result.features[i] - base.features[i];
    up += true_ * (result[rebuilt][i] - base[rebuilt][i]);
    down += true_ * true_;
  }
  return down ? up / down : null;
}

// ---------------------------------------------------------------- panels

const seen = (pen) => pen.drawImage(paper, 0, 0, SIZE, SIZE);
const sheetImages = new Map();
function sheet(classId) {
  if (!sheetImages.has(classId) && state.sheets) {
    sheetImages.set(classId, null);
    image(state.sheets[classId]).then((node) => { sheetImages.set(classId, node); redraw(); });
  }
  return sheetImages.get(classId) ?? null;
}

// Cut the square of `side` pixels around a patch (image x 196 + place) of a product's normal pictures.
function patch(pen, classId, number, x, y, size, side) {
  const from = sheet(classId);
  if (!from) return false;
  const i = Math.floor(number / PLACES), p = number % PLACES;
  const left = (i % 8) * 224, top = Math.floor(i / 8) * 224, limit = 224 - side;
  const px = Math.max(0, Math.min(limit, (p % SIDE) * 16 + 8 - side / 2)), py = Math.max(0, Math.min(limit, Math.floor(p / SIDE) * 16 + 8 - side / 2));
  pen.drawImage(from, left + px, top + py, side, side, x, y, size, size);
  return true;
}

const soft = new OffscreenCanvas(2 * CELL, 2 * CELL);
function mosaic(pen, numbers) {
  if (!numbers || !sheet(state.classId)) return note(pen, numbers ? "patches are being loaded" : "the detector is looking");
  for (let p = 0; p < PLACES; p++) patch(pen, state.classId, numbers[p], (p % SIDE) * CELL, Math.floor(p / SIDE) * CELL, CELL, 16);
  const ink = soft.getContext("2d");
  for (let p = 0; p < PLACES; p++) { // each fades into its neighbours
    ink.globalCompositeOperation = "source-over";
    ink.clearRect(0, 0, 2 * CELL, 2 * CELL);
    patch(ink, state.classId, numbers[p], 0, 0, 2 * CELL, 32);
    ink.globalCompositeOperation = "destination-in";
    const fade = ink.createRadialGradient(CELL, CELL, CELL * 0.3, CELL, CELL, CELL);
    fade.addColorStop(0, "#000");
    fade.addColorStop(1, "#0000");
    ink.fillStyle = fade;
    ink.fillRect(0, 0, 2 * CELL, 2 * CELL);
    const [row, column] = [Math.floor(p / SIDE), p % SIDE];
    if (row && column && row < 13 && column < 13) pen.drawImage(soft, (column - 0.5) * CELL, (row - 0.5) * CELL);
  }
}

function note(pen, text) {
  pen.fillStyle = "#767676";
  pen.font = "24px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.fillText(text, SIZE / 2, SIZE / 2);
}

const highest = (values) => values.reduce((best, v, i) => (v > values[best] ? i : best), 0);
const where = (p) => `row ${Math.floor(p / SIDE) + 1}, column ${(p % SIDE) + 1}`;
const heat = (pen, map, high, smooth) => (map ? drawHeat(pen, SIZE, map, high, first.heat, smooth) : note(pen, "the detector is looking"));
const most = () => Math.max(...(state.result?.residual ?? [1]), ...(state.result?.twinResidual ?? [1]));
const name = () => (state.own ? "your photograph" : `${first.classes[state.classId]}, picture ${state.index + 1}`);

const PANELS = {
  picture: { title: () => "the picture, as the network sees it: a square", draw: seen, alt: name },
  truth: { title: () => (state.sample?.label ? `where the defect is: ${state.sample.defect.replaceAll("_", " ")}` : "the picture"), draw: truth, alt: () => `${name()} with its defect outlined` },
  colours: { title: () => "its features, as colours", alt: () => "three numbers of each place, as a colour",
    draw: (pen) => { const c = state.result?.colours; if (!c) return note(pen, "the detector is looking");
      for (let p = 0; p < PLACES; p++) { pen.fillStyle = `rgb(${c[3 * p]},${c[3 * p + 1]},${c[3 * p + 2]})`; pen.fillRect((p % SIDE) * CELL, Math.floor(p / SIDE) * CELL, CELL, CELL); } } },
  patches: { title: () => "its reconstruction, in normal patches", draw: (pen) => mosaic(pen, state.result?.patches), alt: () => "what the decoder rebuilt, each place as the normal patch that is most like it" },
  residual: { title: () => "features minus reconstruction", draw: (pen) => heat(pen, state.result?.residual, most(), false), alt: () => state.result ? `length of the difference at each place, largest at ${where(highest(state.result.residual))}` : "" },
  map: { title: () => "the anomaly map", alt: () => (state.result ? `anomaly map, highest at ${where(peak())}` : ""),
    draw: (pen) => heat(pen, state.result?.map, 2 * first.pixel_thresholds[state.classId], true) },
  flips: { title: () => `${flipped().length} of 196 top codes flipped`, alt: () => `${flipped().length} places framed`, draw: (pen) => { seen(pen); veil(pen); drawFlipped(pen, SIZE, flipped()); } },
  paint: { title: () => "paint here: drag, or arrow keys and space", paints: true, large: true, draw: (pen) => { seen(pen); brush(pen); }, alt: () => `${name()}: paint a defect on it` },
  twinPatches: { title: () => "without codebooks: the reconstruction", draw: (pen) => mosaic(pen, state.result?.twinPatches), alt: () => "what the network without codebooks rebuilt" },
  twinResidual: { title: () => "without codebooks: the difference", draw: (pen) => heat(pen, state.result?.twinResidual, most(), false), alt: () => "the difference that the network without codebooks leaves" },
  chart: { title: () => "all test pictures of the seven products; right of the line: called defective", wide: true, draw: (pen) => drawThreshold(pen, state), alt: () => "scores of normal and defective test pictures of each product, and the threshold" },
};

const peak = () => { const i = highest(state.result.map), side = Math.sqrt(state.result.map.length); return Math.floor((Math.floor(i / side) / side) * SIDE) * SIDE + Math.floor(((i % side) / side) * SIDE); };
const veil = (pen) => { pen.fillStyle = "#fff8"; pen.fillRect(0, 0, SIZE, SIZE); };

const masks = new Map();
function truth(pen) {
  seen(pen);
  const url = state.sample?.mask;
  if (!url) return;
  if (!masks.has(url)) { masks.set(url, null); image(url).then((node) => { masks.set(url, node); redraw(); }); }
  const mask = masks.get(url);
  if (!mask) return;
  const layer = new OffscreenCanvas(224, 224), ink = layer.getContext("2d");
  ink.drawImage(mask, 0, 0);
  const data = ink.getImageData(0, 0, 224, 224), on = (x, y) => x >= 0 && y >= 0 && x < 224 && y < 224 && data.data[4 * (y * 224 + x)] > 127;
  pen.fillStyle = "#D55E00";
  for (let y = -2; y < 226; y++) for (let x = -2; x < 226; x++) { // a line of two pixels around it
    if (!on(x, y) && [[2, 0], [-2, 0], [0, 2], [0, -2], [1, 1], [-1, 1], [1, -1], [-1, -1]].some(([i, j]) => on(x + i, y + j))) pen.fillRect(2 * x, 2 * y, 2, 2);
  }
}

function brush(pen) {
  if (document.activeElement?.dataset.panel !== "paint") return;
  pen.strokeStyle = state.down ? "#D55E00" : "#0072B2";
  pen.lineWidth = 3;
  pen.beginPath();
  pen.arc(state.cursor[0] * SIZE, state.cursor[1] * SIZE, 12, 0, 7);
  pen.stroke();
}

function cursor(pen) {
  const x = (state.place % SIDE) * CELL, y = Math.floor(state.place / SIDE) * CELL;
  for (const [width, colour] of [[6, "#fff"], [3, "#000"]]) { pen.strokeStyle = colour; pen.lineWidth = width; pen.strokeRect(x, y, CELL, CELL); }
}

function panel(id, step) {
  const told = PANELS[id], figure = document.createElement("figure"), canvas = document.createElement("canvas"), caption = document.createElement("figcaption");
  const moves = step.place && !told.wide && !told.paints, pen = canvas.getContext("2d");
  Object.assign(canvas, { width: told.wide ? 2 * SIZE : SIZE, height: told.wide ? 1.25 * SIZE : SIZE, className: told.paints ? "paints" : moves ? "moves" : "" });
  canvas.dataset.panel = id;
  canvas.setAttribute("role", told.paints || moves ? "application" : "img");
  figure.className = told.wide ? "wide" : told.large ? "large" : "";
  figure.append(canvas, caption);
  if (moves) placing(canvas);
  if (told.paints) painting(canvas);
  const again = () => {
    pen.clearRect(0, 0, canvas.width, canvas.height);
    told.draw(pen);
    if (moves) cursor(pen);
    caption.textContent = told.title();
    canvas.setAttribute("aria-label", told.alt() + (moves ? `; ${where(state.place)} is chosen, arrow keys choose another` : ""));
  };
  drawn.push(again);
  return figure;
}

function placing(canvas) {
  canvas.tabIndex = 0;
  const at = (event) => { const r = canvas.getBoundingClientRect(), cell = (v, size) => Math.max(0, Math.min(SIDE - 1, Math.floor((v / size) * SIDE)));
    move(cell(event.clientY - r.top, r.height) * SIDE + cell(event.clientX - r.left, r.width)); };
  canvas.onpointerdown = at;
  canvas.onpointermove = (event) => { if (event.pointerType === "mouse" && steps[state.step].hover) at(event); };
  canvas.onkeydown = (event) => {
    const by = { ArrowUp: -SIDE, ArrowDown: SIDE, ArrowLeft: -1, ArrowRight: 1 }[event.key], row = Math.floor(state.place / SIDE);
    if (by === undefined) return;
    event.preventDefault();
    const next = state.place + by;
    if (next >= 0 && next < PLACES && (Math.abs(by) > 1 || Math.floor(next / SIDE) === row)) move(next);
  };
}

function move(place) {
  if (place === state.place) return;
  state.place = place;
  redraw();
}

// Paint with the pointer, or with the arrow keys; space puts the brush down and lifts it.
function painting(canvas) {
  canvas.tabIndex = 0;
  const paint = () => ({ tool: $("tool").value, colour: $("colour").value, width: Number($("width").value), points: [state.cursor.map((v) => Math.round(224 * v))] });
  const begin = () => { if (!state.detector) return say("The detector is still being loaded: a moment."); state.down = true; state.strokes = [...state.strokes, paint()]; changed(); };
  const goOn = () => { state.strokes.at(-1).points.push(state.cursor.map((v) => Math.round(224 * v))); changed(); };
  const end = () => { state.down = false; redraw(); };
  const at = (event) => { const r = canvas.getBoundingClientRect(); state.cursor = [(event.clientX - r.left) / r.width, (event.clientY - r.top) / r.height].map((v) => Math.max(0, Math.min(1, v))); };
  canvas.onpointerdown = (event) => { at(event); try { canvas.setPointerCapture(event.pointerId); } catch { /* a pointer that a test made */ } begin(); };
  canvas.onpointermove = (event) => { if (state.down) { at(event); goOn(); } };
  canvas.onpointerup = canvas.onpointercancel = end;
  canvas.onfocus = canvas.onblur = () => { state.down = false; redraw(); };
  canvas.onkeydown = (event) => {
    const by = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (event.key === " ") { event.preventDefault(); return state.down ? end() : begin(); }
    if (!by) return;
    event.preventDefault();
    state.cursor = state.cursor.map((v, i) => Math.max(0, Math.min(1, v + by[i] / 28)));
    if (state.down) goOn(); else redraw();
  };
}

let last = 0;
async function changed() {
  strokesOn();
  redraw();
  const mine = ++last;
  await ensureBase();
  if (mine === last) await look();
}

// ---------------------------------------------------------------- the page

const say = (text) => { $("status").textContent = text; };
const button = (text, act, more = {}) => Object.assign(document.createElement("button"), { type: "button", textContent: text, onclick: act, ...more });

function go(step) {
  state.step = step;
  if (steps[step].normal && !state.own && (state.index || state.strokes.length) && state.pictures) { open(state.classId, 0).then(() => build(true)); return; }
  build(true);
}

// Build what the step shows; `focus` moves the reader to its title.
function build(focus = false) {
  const step = steps[state.step], answered = state.step in state.answers || !step.question;
  $("title").textContent = `${state.step < LAST ? `${state.step + 1} · ` : ""}${step.title}`;
  $("intro").innerHTML = step.intro(state);
  const [legend, options] = $("prediction").children;
  $("prediction").hidden = !step.question;
  legend.textContent = step.question ? `Predict: ${step.question(state)}` : "";
  options.replaceChildren(...(step.options ?? []).map((text, i) => button(text, () => { state.answers[state.step] = i; build(); $("prediction").lastElementChild.children[i].focus(); }, { ariaPressed: String(state.answers[state.step] === i) })));
  drawn = [];
  $("stage").replaceChildren(...(answered ? step.after : step.before).map((id) => panel(id, step)));
  if (answered && step.levels) $("stage").append(levels());
  if (answered && step.paints) $("stage").prepend(tools());
  if (answered && step.threshold) $("stage").append(slider());
  if (step.own) $("stage").prepend(drop());
  $("back").disabled = state.step === 0;
  $("next").disabled = state.step === LAST;
  [...$("steps").querySelectorAll("button")].forEach((b, i) => (i === state.step ? b.setAttribute("aria-current", "step") : b.removeAttribute("aria-current")));
  $("choose").hidden = !!step.threshold;
  choices();
  redraw();
  if (state.detector && ["patches", "twinPatches"].some((id) => step.after.includes(id) && !state.result?.[id])) changed();
  if (focus) $("title").focus();
}

function redraw() {
  for (const again of drawn) again();
  const step = steps[state.step], answered = state.step in state.answers || !step.question;
  const html = answered && step.answer ? step.answer(state, { flipped, survival, verdictOf, where, highest }) : "";
  if (html !== answer) $("answer").innerHTML = answer = html;
  document.documentElement.dataset.verdict = state.result ? verdictOf(state.result, first).name : "";
  document.documentElement.dataset.score = state.result?.score ?? "";
  document.documentElement.dataset.product = state.result ? first.classes[state.result.classId] : "";
}

const refresh = () => build();

function choices() {
  $("products").replaceChildren(...first.classes.map((text, i) => {
    const b = button("", () => open(i, state.index).then(() => $("products").children[i].focus()), { ariaPressed: String(!state.own && i === state.classId), disabled: !state.pictures });
    b.append(Object.assign(new Image(), { src: first.thumbnails[i], alt: "" }), text);
    return b;
  }));
  const mine = state.pictures?.[first.classes[state.classId]] ?? [];
  $("pictures").replaceChildren(...mine.map((_, i) => button(`picture ${i + 1}`, () => open(state.classId, i).then(() => $("pictures").children[i].focus()), { ariaPressed: String(!state.own && i === state.index) })));
}

function levels() {
  const box = Object.assign(document.createElement("div"), { className: "levels" });
  for (const [level, text] of LEVELS.entries()) {
    box.append(Object.assign(document.createElement("span"), { textContent: text }));
    for (let i = 0; i < 6; i++) {
      const canvas = Object.assign(document.createElement("canvas"), { width: 96, height: 96 }), pen = canvas.getContext("2d");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `${text}, normal patch ${i + 1}`);
      drawn.push(() => {
        pen.clearRect(0, 0, 96, 96);
        if (!state.arrays || !state.result) return;
        const codes = state.arrays.atlas.length / first.classes.length / LEVELS.length / 6;
        const k = state.result.codes[level * PLACES + state.place];
        const number = state.arrays.atlas[((state.classId * LEVELS.length + level) * codes + k) * 6 + i];
        if (number !== 65535) patch(pen, state.classId, number, 0, 0, 96, 48);
      });
      box.append(canvas);
    }
  }
  const figure = document.createElement("figure");
  figure.className = "large";
  figure.append(box, Object.assign(document.createElement("figcaption"), { textContent: "each line: the six normal patches nearest to the prototype of the place, at one level" }));
  return figure;
}

function tools() {
  const box = Object.assign(document.createElement("div"), { className: "tools" });
  const colours = Object.keys(first.paints).map((c) => `<option>${c}</option>`).join("");
  box.innerHTML = `<label>tool <select id="tool"><option>scratch</option><option>erase</option></select></label>
    <label>colour <select id="colour">${colours}</select></label>
    <label>width <input id="width" type="range" min="1" max="24" value="6"></label>`;
  const scratch = { tool: "scratch", colour: "black", width: 6, points: [[70, 90], [110, 105], [155, 140]] };
  box.append(button("a scratch, please", () => { if (state.detector) { state.strokes = [...state.strokes, scratch]; changed(); } else say("The detector is still being loaded: a moment."); }, { id: "scratch" }),
    button("undo", () => { state.strokes = state.strokes.slice(0, -1); changed(); }), button("clear", () => { state.strokes = []; changed(); }));
  return box;
}

function slider() {
  const box = Object.assign(document.createElement("div"), { className: "tools" });
  box.innerHTML = `<label>threshold <input id="threshold" type="range" min="-1" max="20" step="0.1" value="${state.away}"></label>`;
  const input = box.querySelector("input"), as = () => input.setAttribute("aria-valuetext", `${state.away.toFixed(1)} spreads`);
  input.oninput = () => { state.away = Number(input.value); as(); redraw(); };
  box.append(button("as shipped", () => { state.away = thresholdOf(first); input.value = state.away; as(); redraw(); }));
  as();
  return box;
}

function drop() {
  const box = Object.assign(document.createElement("div"), { className: "drop" });
  box.innerHTML = `<p>Drop a photograph here, or <label class="file">choose a file<input id="file" type="file" accept="image/*"></label>
    <label class="file">take one<input id="camera" type="file" accept="image/*" capture="environment"></label></p>
    <p>It stays in this tab: nothing is uploaded. Then walk back through the steps with it.</p>`;
  for (const input of box.querySelectorAll("input")) input.onchange = () => { if (input.files[0]) openOwn(input.files[0]); };
  return box;
}

document.addEventListener("dragover", (event) => { event.preventDefault(); document.querySelector(".drop")?.classList.add("over"); });
document.addEventListener("dragleave", () => document.querySelector(".drop")?.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.querySelector(".drop")?.classList.remove("over");
  if (event.dataTransfer.files[0]) { if (state.step !== LAST) go(LAST); openOwn(event.dataTransfer.files[0]); }
});

$("steps").append(...steps.map((step, i) => { const item = document.createElement("li"); item.append(button(i < LAST ? `${i + 1} ${step.short}` : step.short, () => go(i))); return item; }));
$("back").onclick = () => go(state.step - 1);
$("next").onclick = () => go(state.step + 1);

open(state.classId, state.index).then(() => { document.documentElement.dataset.shown = Math.round(performance.now()); });
bring((share) => { $("bar").value = share; }, {
  pictures: ({ pictures, sheets }) => { Object.assign(state, { pictures, sheets }); choices(); redraw(); },
  arrays: (arrays) => { state.arrays = arrays; redraw(); },
}).then((detector) => {
  state.detector = detector;
  $("loading").hidden = true;
  document.documentElement.dataset.ready = "yes";
  if (state.own && !state.result) look();
}).catch((error) => { $("loading").textContent = `The detector cannot run in this browser (${error.message}). The tour goes on with what is computed already.`; });
globalThis.explainer = Object.assign(state, { pixels: () => Array.from(pixels().data).filter((_, i) => i % 4 < 3) }); // for the console, and for tests
