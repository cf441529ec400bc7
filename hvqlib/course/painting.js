// Draws what the mouse does at once, on a layer above the picture, and sends the strokes when it is let go.
function render({ model, el }) {
  const side = model.get("side"), scale = model.get("scale");
  el.innerHTML = `<div class="hvq-paint" style="display:flex; flex-wrap:wrap; gap:10px; align-items:flex-start">
    <canvas width="${side}" height="${side}" tabindex="0" role="img" aria-label="picture to paint a defect on"
      style="width:${side * scale}px; height:${side * scale}px; touch-action:none; cursor:crosshair;
      border:1px solid #767676; background-size:100% 100%"></canvas>
    <div style="display:flex; flex-direction:column; gap:6px">
      <label>tool <select class="tool">${model.get("tools").map(t => `<option>${t}</option>`).join("")}</select></label>
      <label>colour <select class="colour">${Object.keys(model.get("colours")).map(c =>
        `<option>${c}</option>`).join("")}</select></label>
      <label>width <input class="width" type="range" min="1" max="30" value="4"></label>
      <button class="undo">undo</button><button class="clear">clear</button>
    </div></div>`;
  const canvas = el.querySelector("canvas"), pen = canvas.getContext("2d"), pick = c => el.querySelector(c).value;
  const background = () => {
    const url = URL.createObjectURL(new Blob([model.get("picture").buffer], { type: "image/png" }));
    canvas.style.backgroundImage = `url(${url})`;
  };
  const draw = s => {
    pen.globalCompositeOperation = s.tool === "erase" ? "destination-out" : "source-over";
    pen.strokeStyle = pen.fillStyle = model.get("colours")[s.colour];
    pen.lineWidth = s.width; pen.lineCap = pen.lineJoin = "round";
    pen.beginPath(); s.points.forEach(([x, y]) => pen.lineTo(x, y));
    if (s.points.length === 1) pen.lineTo(s.points[0][0] + 0.01, s.points[0][1]);
    pen.stroke();
  };
  const all = () => { pen.clearRect(0, 0, side, side); model.get("strokes").forEach(draw); };
  const send = strokes => { model.set("strokes", strokes); model.save_changes(); };
  const place = e => { const r = canvas.getBoundingClientRect();
    return [(e.clientX - r.left) * side / r.width, (e.clientY - r.top) * side / r.height].map(v => Math.round(v)); };
  let stroke = null;
  canvas.onpointerdown = e => {
    const tool = pick(".tool"), width = Number(pick(".width")) * (tool === "scratch" ? 1 : 3);
    canvas.setPointerCapture(e.pointerId);
    stroke = { tool, width, colour: pick(".colour"), points: [place(e)] };
    draw(stroke);
  };
  canvas.onpointermove = e => { if (stroke) { stroke.points.push(place(e)); draw(stroke); } };
  canvas.onpointerup = () => { if (stroke) { send([...model.get("strokes"), stroke]); stroke = null; } };
  el.querySelector(".undo").onclick = () => send(model.get("strokes").slice(0, -1));
  el.querySelector(".clear").onclick = () => send([]);
  model.on("change:strokes", all); model.on("change:picture", background);
  background(); all();
}
export default { render };
