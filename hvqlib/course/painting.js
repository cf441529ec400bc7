// A picture to paint on, and where codes flip when one does. Notebook 10 shows both as a widget; the explainer of web/
// draws with the same functions.

const SIDE = 14, ORANGE = "#E69F00";

// Draw a stroke {tool, colour, width, points} in the picture's own pixels.
export function drawStroke(pen, stroke, colours) {
  pen.globalCompositeOperation = stroke.tool === "erase" ? "destination-out" : "source-over";
  pen.strokeStyle = pen.fillStyle = colours[stroke.colour];
  pen.lineWidth = stroke.width;
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  stroke.points.forEach(([x, y]) => pen.lineTo(x, y));
  if (stroke.points.length === 1) pen.lineTo(stroke.points[0][0] + 0.01, stroke.points[0][1]);
  pen.stroke();
  pen.globalCompositeOperation = "source-over";
}

// Frame the places (0 to 195) whose code flipped, on a picture drawn `size` pixels wide.
export function drawFlipped(pen, size, places) {
  const cell = size / SIDE;
  pen.strokeStyle = ORANGE;
  pen.lineWidth = Math.max(2, cell / 8);
  for (const p of places) {
    const x = (p % SIDE) * cell, y = Math.floor(p / SIDE) * cell, half = pen.lineWidth / 2;
    pen.strokeRect(x + half, y + half, cell - 2 * half, cell - 2 * half);
  }
}

const small = new OffscreenCanvas(1, 1); // one for all: browsers are slow to give canvases back

// Draw a square map of numbers, 0 to `high`, in the colours of `table` (256 x 3), `size` pixels wide.
export function drawHeat(pen, size, map, high, table, smooth = true) {
  const side = Math.sqrt(map.length), ink = small.getContext("2d");
  small.width = small.height = side;
  const image = ink.createImageData(side, side);
  for (let i = 0; i < map.length; i++) {
    const at = 3 * Math.max(0, Math.min(255, Math.round((255 * map[i]) / high)));
    image.data.set([table[at], table[at + 1], table[at + 2], 255], 4 * i);
  }
  ink.putImageData(image, 0, 0);
  pen.imageSmoothingEnabled = smooth;
  pen.drawImage(small, 0, 0, size, size);
  pen.imageSmoothingEnabled = true;
}

// The widget: draws what the mouse does at once, on a layer above the picture, and sends the strokes when it is let go.
// Beside it, once there is an `answer`, the picture with its flipped codes framed, and the anomaly map.
function render({ model, el }) {
  const side = model.get("side"), scale = model.get("scale"), shown = Math.round(side * scale);
  const canvas_of = (name, more) => `<canvas width="${side}" height="${side}" ${more}
    style="width:${shown}px; height:${shown}px; border:1px solid #767676; background-size:100% 100%" class="${name}"></canvas>`;
  el.innerHTML = `<div class="hvq-paint" style="display:flex; flex-wrap:wrap; gap:10px; align-items:flex-start">
    ${canvas_of("paint", 'tabindex="0" role="img" aria-label="picture to paint a defect on"')}
    <div style="display:flex; flex-direction:column; gap:6px">
      <label>tool <select class="tool">${model.get("tools").map(t => `<option>${t}</option>`).join("")}</select></label>
      <label>colour <select class="colour">${Object.keys(model.get("colours")).map(c =>
        `<option>${c}</option>`).join("")}</select></label>
      <label>width <input class="width" type="range" min="1" max="30" value="4"></label>
      <button class="undo">undo</button><button class="clear">clear</button>
    </div>
    <figure class="answer" style="margin:0" hidden>
      ${canvas_of("flips", 'role="img"')} ${canvas_of("heat", 'role="img" aria-label="anomaly map"')}
      <figcaption></figcaption>
    </figure></div>`;
  const find = name => el.querySelector(`.${name}`), pick = name => find(name).value;
  const canvas = find("paint"), pen = canvas.getContext("2d");
  canvas.style.touchAction = "none";
  canvas.style.cursor = "crosshair";
  const draw = s => drawStroke(pen, s, model.get("colours"));
  const all = () => { pen.clearRect(0, 0, side, side); model.get("strokes").forEach(draw); };
  const background = () => {
    const url = URL.createObjectURL(new Blob([model.get("picture").buffer], { type: "image/png" }));
    for (const name of ["paint", "flips"]) find(name).style.backgroundImage = `url(${url})`;
  };
  const answer = () => {
    const { flipped, map, high, table, text } = model.get("answer");
    find("answer").hidden = !map;
    if (!map) return;
    const above = find("flips").getContext("2d");
    above.clearRect(0, 0, side, side);
    above.drawImage(canvas, 0, 0);
    drawFlipped(above, side, flipped);
    find("flips").setAttribute("aria-label", `${flipped.length} of 196 codes flipped`);
    drawHeat(find("heat").getContext("2d"), side, map, high, table);
    el.querySelector("figcaption").textContent = text;
  };
  const send = strokes => { model.set("strokes", strokes); model.save_changes(); };
  const point = e => { const r = canvas.getBoundingClientRect();
    return [(e.clientX - r.left) * side / r.width, (e.clientY - r.top) * side / r.height].map(v => Math.round(v)); };
  let stroke = null;
  canvas.onpointerdown = e => {
    const tool = pick("tool"), width = Number(pick("width")) * (tool === "scratch" ? 1 : 3);
    canvas.setPointerCapture(e.pointerId);
    stroke = { tool, width, colour: pick("colour"), points: [point(e)] };
    draw(stroke);
  };
  canvas.onpointermove = e => { if (stroke) { stroke.points.push(point(e)); draw(stroke); } };
  canvas.onpointerup = () => { if (stroke) { send([...model.get("strokes"), stroke]); stroke = null; } };
  find("undo").onclick = () => send(model.get("strokes").slice(0, -1));
  find("clear").onclick = () => send([]);
  model.on("change:strokes", all);
  model.on("change:picture", background);
  model.on("change:answer", answer);
  background();
  all();
  answer();
}
export default { render };
