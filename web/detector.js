// The detector: pixels in, everything that the page shows of them out.
import * as ort from "onnxruntime-web/wasm";

const PLACES = 196, SIDE = 14, CHANNELS = 192, KEPT = 32, COLOURS = 3;
let model, twin, pack;

export async function load({ wasm, files, arrays }, told = () => {}) {
  ort.env.wasm.numThreads = 1; // a page opened from disk may not share memory between threads
  ort.env.wasm.wasmBinary = wasm;
  pack = arrays;
  model = await ort.InferenceSession.create(files.model, { executionProviders: ["wasm"] });
  told(0.8);
  twin = await ort.InferenceSession.create(files.twin, { executionProviders: ["wasm"] });
}

// Length of the difference between two maps of features (C, 14, 14) at each place.
function lengths(a, b) {
  const out = new Float32Array(PLACES);
  for (let c = 0; c < CHANNELS; c++) {
    for (let p = 0; p < PLACES; p++) out[p] += (a[c * PLACES + p] - b[c * PLACES + p]) ** 2;
  }
  return out.map(Math.sqrt);
}

// The features (C, 14, 14) of each place along some directions (C, n): (196, n).
function along(features, directions, n) {
  const out = new Float32Array(PLACES * n);
  for (let c = 0; c < CHANNELS; c++) {
    for (let p = 0; p < PLACES; p++) {
      const value = features[c * PLACES + p];
      for (let d = 0; d < n; d++) out[p * n + d] += value * directions[c * n + d];
    }
  }
  return out;
}

// Three of the directions in which normal features of a product vary most, as red, green and blue: (196, 3).
function colours(features, classId) {
  const size = CHANNELS * COLOURS, directions = pack.colour_directions.subarray(classId * size, (classId + 1) * size);
  const seen = along(features, directions, COLOURS), out = new Uint8Array(seen.length), ends = 2 * COLOURS * classId;
  seen.forEach((value, i) => {
    const low = pack.colour_ends[ends + (i % COLOURS)], high = pack.colour_ends[ends + COLOURS + (i % COLOURS)];
    out[i] = Math.max(0, Math.min(255, (255 * (value - low)) / (high - low)));
  });
  return out;
}

// For each place the normal patch (image x 196 + place) whose features come nearest to these, from the same place or
// one beside it.
function patches(features, classId) {
  const seen = along(features, pack.patch_directions, KEPT), out = new Uint16Array(PLACES);
  const images = pack.patch_features.length / pack.patch_counts.length / PLACES / KEPT;
  const first = classId * images * PLACES * KEPT;
  for (let p = 0; p < PLACES; p++) {
    const wanted = Array.from({ length: KEPT }, (_, d) => seen[p * KEPT + d] / pack.patch_unit[0]);
    const row = Math.floor(p / SIDE), column = p % SIDE;
    let best = Infinity;
    for (let r = Math.max(0, row - 1); r <= Math.min(SIDE - 1, row + 1); r++) {
      for (let c = Math.max(0, column - 1); c <= Math.min(SIDE - 1, column + 1); c++) {
        for (let i = 0; i < pack.patch_counts[classId]; i++) {
          const at = first + (i * PLACES + r * SIDE + c) * KEPT;
          let far = 0;
          for (let d = 0; d < KEPT && far < best; d++) far += (pack.patch_features[at + d] - wanted[d]) ** 2;
          if (far < best) { best = far; out[p] = i * PLACES + r * SIDE + c; }
        }
      }
    }
  }
  return out;
}

export async function judge({ pixels, height, width, classId, withPatches = true, withTwin = true }) {
  const given = new ort.Tensor("int64", BigInt64Array.of(BigInt(classId)), [1]);
  const image = new ort.Tensor("uint8", pixels, [height, width, 3]);
  const got = await model.run({ image, given_class: given });
  const values = Object.fromEntries(Object.entries(got).map(([name, tensor]) => [name, tensor.data]));
  const chosen = Number(values.class_id[0]);
  const result = {
    classId: chosen, score: values.score[0],
    strangeness: values.strangeness[0], map: Float32Array.from(values.anomaly_map), codes: Int32Array.from(values.code_ids, Number),
    distances: Float32Array.from(values.distances), colours: colours(values.features, chosen),
    residual: lengths(values.features, values.reconstruction),
    features: Float32Array.from(values.features), reconstruction: Float32Array.from(values.reconstruction),
  };
  if (withPatches) result.patches = patches(result.reconstruction, chosen);
  if (withTwin) {
    const features = new ort.Tensor("float32", result.features, [1, CHANNELS, SIDE, SIDE]);
    const other = await twin.run({ features, class_id: new ort.Tensor("int64", BigInt64Array.of(BigInt(chosen)), [1]) });
    result.twinReconstruction = Float32Array.from(other.reconstruction.data);
    result.twinResidual = lengths(result.features, result.twinReconstruction);
  }
  return result;
}
