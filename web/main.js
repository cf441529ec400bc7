// The page: what is open, what is drawn of it, and how it answers. steps.js holds what the tour says.
import { drawFlipped, drawHeat, drawStroke } from "../hvqlib/course/painting.js";
import { bring } from "./loading.js";
import { counts, drawThreshold } from "./chart.js";
import { LEVELS, NAMES } from "./names.js";
import { steps } from "./steps.js";
import { thresholdOf, verdictOf } from "./verdict.js";

const first = JSON.parse(document.getElementById("first").textContent);
const $ = (id) => document.getElementById(id), SIZE = 448, SIDE = 14, PLACES = 196, CELL = SIZE / SIDE, LAST = steps.length - 1;

const state = {
  first, step: 0, classId: first.open, index: first.shown.index, sample: first.shown, own: null,
  picture: 0, version: 0, // raised with every other picture, and with every stroke: what is asked of one is no answer to another
  base: null, result: null, // what the detector makes of the picture as it came, and as it is painted now
  strokes: [], place: 104, answers: {}, away: thresholdOf(first), cursor: [0.5, 0.5], down: false, brush: { tool: "scratch", colour: "black", width: 6 },
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
  node.onerror = reject;
  node.src = url;
});

function lay(node, width, height) {
  for (const canvas of [source, paper]) { canvas.width = width; canvas.height = height; }
  const pen = source.getContext("2d", { willReadFrequently: true });
  pen.fillStyle = "#fff"; // transparent pixels are laid on white, as the library does
  pen.fillRect(0, 0, width, height);
  pen.drawImage(node, 0, 0, width, height);
  strokesOn();
}

function strokesOn() {
  const pen = paper.getContext("2d", { willReadFrequently: true }), { width, height } = paper;
  pen.drawImage(source, 0, 0);
  if (!state.strokes.length) return;
  const ink = layer.getContext("2d");
  Object.assign(layer, { width, height }); // empties it
  ink.scale(width / 224, height / 224); // strokes are in pixels of what the network sees
  for (const stroke of state.strokes) drawStroke(ink, stroke, first.paints);
  pen.drawImage(layer, 0, 0);
}

const pixelsOf = (canvas) => canvas.getContext("2d", { willReadFrequently: true }).getImageData(0, 0, canvas.width, canvas.height);

// Begin with another picture. What was predicted of the one before is forgotten.
function begin(node, size, more) {
  const other = more.own || more.classId !== state.classId;
  for (const step of other ? [0, 1, 4, 5, 7] : [0, 4]) delete state.answers[step];
  Object.assign(state, { strokes: [], down: false, version: state.version + 1, sample: null, own: null, base: null, result: null, ...more });
  lay(node, ...size);
  say("");
  build();
}

async function open(classId, index) {
  const sample = state.pictures ? state.pictures[first.classes[classId]][index] : first.shown, mine = ++state.picture;
  const node = await image(sample.picture);
  if (mine === state.picture) begin(node, [node.naturalWidth, node.naturalHeight], { classId, index, sample, base: sample.result, result: sample.result });
}

async function openOwn(file) {
  const mine = ++state.picture, url = URL.createObjectURL(file);
  try {
    const node = await image(url), most = Math.min(1, 2000 / Math.max(node.naturalWidth, node.naturalHeight));
    const size = [node.naturalWidth, node.naturalHeight].map((v) => Math.max(1, Math.round(v * most)));
    if (mine === state.picture) begin(node, size, { own: file.name });
  } catch {
    say(`${file.name} is not a picture that this browser can open: try JPEG or PNG.`);
  } finally {
    URL.revokeObjectURL(url);
  }
}

// ---------------------------------------------------------------- asking the detector

const fits = (result, more) => result && (!more.patches || result.patches) && (!more.twin || result.twinResidual) && (!more.inside || result.features);

// What is to be asked next: of the picture as it came first, then as it is painted; null where all is known.
function question() {
  const step = steps[state.step], patches = step.after.includes("patches"), twin = step.after.includes("twinResidual");
  if (!fits(state.base, { patches, twin, inside: step.paints || state.strokes.length })) {
    return { base: true, canvas: source, classId: state.own && !state.base ? -1 : state.classId, withPatches: true, withTwin: true };
  }
  if (!state.strokes.length || (state.result?.of === state.version && fits(state.result, { patches, twin }))) return null;
  return { base: false, canvas: paper, classId: state.classId, withPatches: patches, withTwin: twin };
}

let working = false;
async function work() {
  if (working || !state.detector) return;
  working = true;
  try {
    for (let asked; (asked = question());) {
      const { picture, version } = state, began = performance.now(), { base, canvas, ...how } = asked;
      const result = { ...await state.detector.judge(pixelsOf(canvas), how), of: version };
      if (picture !== state.picture) continue; // another was opened meanwhile
      if (base) { state.base = result; state.classId = result.classId; }
      if (!base) { state.result = result; state.answered = performance.now() - began; }
      else if (!state.strokes.length) state.result = result;
      if (base && state.own) build(); else redraw();
    }
  } catch (error) {
    say(`The detector stopped: ${error.message}`);
  } finally {
    working = false;
  }
}

// Whether what is shown is of the picture before the last stroke, or of none.
const stale = () => !state.result || (state.strokes.length > 0 && state.result.of !== state.version);
const unpainted = () => state.strokes.length > 0 && state.result === state.base;

let frame = 0;
function changed() {
  state.version++;
  if (!state.strokes.length) state.result = state.base;
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(() => { strokesOn(); redraw(); work(); });
}

function flipped() {
  if (!state.base || !state.result) return [];
  return Array.from({ length: PLACES }, (_, p) => p).filter((p) => state.base.codes[p] !== state.result.codes[p]);
}

// How much of what the paint changed is in the reconstruction: slope of the rebuilt change on the true one.
function survival(rebuilt) {
  const { base, result } = state;
  if (!state.strokes.length || !base?.features || !result?.features || !base[rebuilt] || !result[rebuilt]) return null;
  const a = pixelsOf(source).data, b = pixelsOf(paper).data;
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
  pen.fillStyle = getComputedStyle(document.body).color;
  pen.font = "30px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.fillText(text, SIZE / 2, SIZE / 2);
}

const highest = (values) => values.reduce((best, v, i) => (v > values[best] ? i : best), 0);
const where = (p) => `row ${Math.floor(p / SIDE) + 1}, column ${(p % SIDE) + 1}`;
const heat = (pen, map, high, smooth) => (map ? drawHeat(pen, SIZE, map, high, first.heat, smooth) : note(pen, "the detector is looking"));
const most = () => Math.max(...(state.result?.residual ?? [1]), ...(state.result?.twinResidual ?? [1]));
const name = () => (state.own ? `your photograph, ${state.own}` : `${NAMES[first.classes[state.classId]] ?? first.classes[state.classId]}, picture ${state.index + 1}`);

const PANELS = {
  picture: { title: () => "the picture, squeezed to a square", draw: seen, alt: name },
  truth: { title: () => (state.sample?.label ? `where the defect is: ${state.sample.defect.replaceAll("_", " ")}` : "the picture"), draw: truth, alt: () => `${name()} with its defect outlined` },
  colours: { title: () => "its features, as colours", alt: () => "three numbers of each place, as a colour",
    draw: (pen) => { const c = state.result?.colours; if (!c) return note(pen, "the detector is looking");
      for (let p = 0; p < PLACES; p++) { pen.fillStyle = `rgb(${c[3 * p]},${c[3 * p + 1]},${c[3 * p + 2]})`; pen.fillRect((p % SIDE) * CELL, Math.floor(p / SIDE) * CELL, CELL, CELL); } } },
  patches: { title: () => "its reconstruction, in normal patches", draw: (pen) => mosaic(pen, state.result?.patches), alt: () => "what the decoder rebuilt, each place as the normal patch that is most like it" },
  residual: { title: () => `${steps[state.step].after.includes("twinResidual") ? "with codebooks: the" : "the"} difference (dark: small)`, draw: (pen) => heat(pen, state.result?.residual, most(), false), alt: () => state.result ? `length of the difference at each place, largest at ${where(highest(state.result.residual))}` : "" },
  map: { title: () => "the anomaly map (bright: unusual)", alt: () => (state.result ? `anomaly map, highest at ${where(peak())}` : ""),
    draw: (pen) => heat(pen, state.result?.map, 2 * first.pixel_thresholds[state.classId], true) },
  flips: { title: () => `${flipped().length} of 196 top codes flipped`, alt: () => `${flipped().length} places framed`, draw: (pen) => { seen(pen); veil(pen); drawFlipped(pen, SIZE, flipped()); } },
  paint: { title: () => "paint here: drag, or arrow keys and space", paints: true, large: true, draw: (pen) => { seen(pen); brush(pen); },
    alt: () => `${name()}, to paint on: brush ${state.down ? "down" : "up"} at row ${Math.round(28 * state.cursor[1])}, column ${Math.round(28 * state.cursor[0])} of 28` },
  twinResidual: { title: () => "without codebooks: the difference (same scale)", draw: (pen) => heat(pen, state.result?.twinResidual, most(), false), alt: () => "the difference that the network without codebooks leaves" },
  chart: { title: () => "all test pictures of the seven products; right of the line: called defective", wide: true, draw: (pen) => drawThreshold(pen, state), alt: () => { const n = counts(first.tests, state.away); return `scores of all test pictures; with the threshold at ${state.away.toFixed(1)}: ${n.alarms} of ${n.normal} normal ones called defective, ${n.missed} of ${n.defective} defects missed`; } },
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
  const ink = new OffscreenCanvas(224, 224).getContext("2d");
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
    figure.classList.toggle("stale", ["map", "flips", "residual", "twinResidual", "patches"].includes(id) && stale());
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
  const put = () => { state.down = true; state.strokes = [...state.strokes, { ...state.brush, points: [state.cursor.map((v) => Math.round(224 * v))] }]; changed(); };
  const goOn = () => { state.strokes.at(-1).points.push(state.cursor.map((v) => Math.round(224 * v))); changed(); };
  const end = () => { state.down = false; redraw(); };
  const at = (event) => { const r = canvas.getBoundingClientRect(); state.cursor = [(event.clientX - r.left) / r.width, (event.clientY - r.top) / r.height].map((v) => Math.max(0, Math.min(1, v))); };
  canvas.onpointerdown = (event) => { at(event); try { canvas.setPointerCapture(event.pointerId); } catch { /* a pointer that a test made */ } put(); };
  canvas.onpointermove = (event) => { if (state.down) { at(event); goOn(); } };
  canvas.onpointerup = canvas.onpointercancel = end;
  canvas.onfocus = () => redraw();
  canvas.onblur = end;
  canvas.onkeydown = (event) => {
    const by = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (event.key === " ") { event.preventDefault(); return state.down ? end() : put(); }
    if (!by) return;
    event.preventDefault();
    state.cursor = state.cursor.map((v, i) => Math.max(0, Math.min(1, v + by[i] / 28)));
    if (state.down) goOn(); else redraw();
  };
}

// ---------------------------------------------------------------- the page

const say = (text) => { $("status").textContent = text; };
const button = (text, act, more = {}) => Object.assign(document.createElement("button"), { type: "button", textContent: text, onclick: act, ...more });

const scratch = { tool: "scratch", colour: "black", width: 6, points: [[70, 90], [110, 105], [155, 140]] };

// Go to a step. Painting begins on a normal picture; where paint is needed and there is none, a scratch is drawn.
async function go(number) {
  state.step = number;
  const step = steps[number];
  if (step.normal && !state.own && !state.strokes.length && state.sample?.label && state.pictures) await open(state.classId, 0);
  if (state.step !== number) return; // the reader went on meanwhile
  if (step.scratched && !state.strokes.length) { state.strokes = [scratch]; changed(); }
  build();
  $("title").focus();
  document.querySelector("[aria-current=step]").scrollIntoView({ inline: "center", block: "nearest" });
}

// Build what the step shows.
function build() {
  const step = steps[state.step], answered = state.step in state.answers || !step.question;
  $("title").textContent = `${state.step < LAST ? `${state.step + 1} · ` : ""}${step.title}`;
  $("intro").innerHTML = step.intro(state);
  const [legend, options] = $("prediction").children;
  $("prediction").hidden = !step.question;
  legend.textContent = step.question ? step.question(state) : "";
  options.replaceChildren(...(step.options ?? []).map((text, i) => button(text, () => { state.answers[state.step] = i; build(); options.children[i].focus(); },
    { ariaPressed: String(state.answers[state.step] === i), disabled: answered && state.answers[state.step] !== i })));
  $("step").classList.toggle("asked", !answered);
  drawn = [];
  $("stage").replaceChildren(...(answered ? step.after : step.before).map((id) => panel(id, step)));
  $("stage").classList.toggle("three", answered && !!step.three);
  if (answered && step.levels) $("stage").append(levels());
  if (answered && step.paints) $("stage").prepend(tools());
  if (answered && step.threshold) $("stage").append(slider());
  if (step.own) $("stage").prepend(drop());
  $("back").disabled = state.step === 0;
  $("next").hidden = state.step === LAST;
  [...$("steps").querySelectorAll("button")].forEach((b, i) => (i === state.step ? b.setAttribute("aria-current", "step") : b.removeAttribute("aria-current")));
  $("choose").hidden = !!step.threshold;
  choices();
  redraw();
  work();
}

function redraw() {
  for (const again of drawn) again();
  const step = steps[state.step], answered = state.step in state.answers || !step.question;
  const html = !answered || !step.answer ? "" : unpainted() || !state.result ? "<p>The detector is looking.</p>" : step.answer(state, { flipped, survival, verdictOf, where, highest, scratch });
  if (html !== answer) { $("answer").innerHTML = answer = html; $("heard").textContent = $("answer").innerText.slice(0, 160); }
  const told = state.result && verdictOf(state.result, first);
  Object.assign(document.documentElement.dataset, { verdict: told?.name ?? "", score: state.result?.score ?? "", product: state.result ? first.classes[state.result.classId] : "" });
}

// Buttons are made anew: the one that was pressed keeps the focus, unless the reader is elsewhere already.
const kept = (group, i) => { if (document.activeElement === document.body) $(group).children[i].focus(); };

function choices() {
  $("products").replaceChildren(...first.classes.map((text, i) => {
    const b = button("", () => open(i, state.index).then(() => kept("products", i)), { ariaPressed: String(!state.own && i === state.classId), disabled: !state.pictures });
    b.append(Object.assign(new Image(), { src: first.thumbnails[i], alt: "" }), NAMES[text] ?? text);
    return b;
  }));
  const mine = state.pictures?.[first.classes[state.classId]] ?? [];
  $("pictures").replaceChildren(...mine.map((_, i) => button(`picture ${i + 1}`, () => open(state.classId, i).then(() => kept("pictures", i)), { ariaPressed: String(!state.own && i === state.index) })));
}

function levels() {
  const box = Object.assign(document.createElement("div"), { className: "levels" });
  for (const [level, text] of LEVELS.entries()) {
    const canvas = Object.assign(document.createElement("canvas"), { width: 6 * 104 - 8, height: 96 }), pen = canvas.getContext("2d");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${text}: the six normal patches nearest to the prototype of the chosen place`);
    drawn.push(() => {
      pen.clearRect(0, 0, canvas.width, 96);
      if (!state.arrays || !state.result) return;
      const codes = state.arrays.atlas.length / first.classes.length / LEVELS.length / 6, k = state.result.codes[level * PLACES + state.place];
      for (let i = 0; i < 6; i++) {
        const number = state.arrays.atlas[((state.classId * LEVELS.length + level) * codes + k) * 6 + i];
        if (number !== 65535) patch(pen, state.classId, number, 104 * i, 0, 96, 48);
      }
    });
    box.append(Object.assign(document.createElement("span"), { textContent: text }), canvas);
  }
  const figure = document.createElement("figure");
  figure.className = "wide";
  figure.append(box, Object.assign(document.createElement("figcaption"), { textContent: "each line: the six normal patches nearest to the prototype of the place, at one level" }));
  return figure;
}

function tools() {
  const box = Object.assign(document.createElement("div"), { className: "tools" });
  const chosen = (values, now) => values.map((v) => `<option${v === now ? " selected" : ""}>${v}</option>`).join("");
  box.innerHTML = `<label>tool <select id="tool">${chosen(["scratch", "erase"], state.brush.tool)}</select></label>
    <label>colour <select id="colour">${chosen(Object.keys(first.paints), state.brush.colour)}</select></label>
    <label>width <input id="width" type="range" min="1" max="24" value="${state.brush.width}"></label>`;
  box.onchange = () => { state.brush = { tool: $("tool").value, colour: $("colour").value, width: Number($("width").value) }; };
  const paint = (strokes) => { state.strokes = strokes; changed(); };
  const undo = button("undo", () => paint(state.strokes.slice(0, -1))), clear = button("clear", () => paint([]));
  box.append(button("draw a scratch", () => paint([...state.strokes, scratch]), { id: "scratch" }), undo, clear);
  drawn.push(() => { undo.disabled = clear.disabled = !state.strokes.length; });
  return box;
}

function slider() {
  const box = Object.assign(document.createElement("div"), { className: "tools" });
  box.innerHTML = `<label>threshold <input id="threshold" type="range" min="-1" max="20" step="0.1" value="${state.away}"> <output></output></label>`;
  const input = box.querySelector("input"), as = () => { box.querySelector("output").textContent = state.away.toFixed(1); };
  input.oninput = () => { state.away = Number(input.value); as(); redraw(); };
  box.append(button("as shipped", () => { state.away = thresholdOf(first); input.value = state.away; as(); redraw(); }));
  as();
  return box;
}

function drop() {
  const box = Object.assign(document.createElement("div"), { className: "drop" });
  box.innerHTML = `<p>Drop a photograph here, or <label class="file">choose a file<input id="file" type="file" accept="image/*"></label>
    <label class="file">take a photograph<input id="camera" type="file" accept="image/*" capture="environment"></label></p>
    <p>It stays in this tab: nothing is uploaded. Then walk back through the steps with it.</p>`;
  for (const input of box.querySelectorAll("input")) input.onchange = async () => {
    const file = input.files[0];
    if (file) await openOwn(file);
    input.value = ""; // so that the same can be chosen again
    $(input.id)?.focus();
  };
  return box;
}

document.addEventListener("dragover", (event) => { event.preventDefault(); document.querySelector(".drop")?.classList.add("over"); });
document.addEventListener("dragleave", () => document.querySelector(".drop")?.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.querySelector(".drop")?.classList.remove("over");
  if (event.dataTransfer.files[0]) { if (state.step !== LAST) go(LAST); openOwn(event.dataTransfer.files[0]); } else say("Drop the file of a photograph: this was none.");
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
  $("loading").classList.add("done");
  document.documentElement.dataset.ready = "yes";
  work();
}).catch((error) => { $("loading").textContent = `The detector cannot run in this browser (${error.message}). The tour goes on with what is computed already.`; });
globalThis.explainer = Object.assign(state, { pixels: () => Array.from(pixelsOf(paper).data).filter((_, i) => i % 4 < 3) }); // for the console, and for tests
