// For the build, in Node: what the detector makes of the pictures of the tour. FOLDER holds what build_explainer.py put.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { judge, load } from "./detector.js";
import { unpack } from "./pack.js";

const folder = process.argv[2], read = (name) => readFileSync(join(folder, name)), COARSE = 4;
const whole = (name) => { const b = read(name); return b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength); };
const rounded = (values, digits) => Array.from(values, (v) => Number(v.toFixed(digits)));

// A map (224, 224) as means of 4 x 4 pixels.
function coarse(map) {
  const side = Math.sqrt(map.length), small = side / COARSE, out = new Float32Array(small * small);
  map.forEach((v, i) => { out[Math.floor(i / side / COARSE) * small + Math.floor((i % side) / COARSE)] += v / COARSE ** 2; });
  return out;
}

await load({ wasm: whole("wasm"), files: { model: whole("model"), twin: whole("twin") }, arrays: unpack(whole("arrays")) });
const results = [];
for (const { file, height, width, classId } of JSON.parse(read("pictures.json"))) {
  const { features, reconstruction, twinReconstruction, ...kept } = await judge({ pixels: new Uint8Array(whole(file)), height, width, classId });
  results.push({
    ...kept, map: rounded(coarse(kept.map), 2), codes: Array.from(kept.codes), distances: rounded(kept.distances, 2),
    colours: Array.from(kept.colours), residual: rounded(kept.residual, 2), patches: Array.from(kept.patches),
    twinResidual: rounded(kept.twinResidual, 2),
  });
}
writeFileSync(join(folder, "results.json"), JSON.stringify(results));
