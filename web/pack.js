// Reads what `packed` of build_explainer.py wrote: arrays one after the other, behind a line of JSON that says which.
const TYPES = { uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int32: Int32Array, float32: Float32Array };

export function unpack(buffer) {
  const bytes = new Uint8Array(buffer), end = bytes.indexOf(10) + 1;
  const told = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
  const body = buffer.slice(end); // so that every array begins where its type may
  return Object.fromEntries(Object.entries(told).map(([name, { type, from, length }]) => [name, new TYPES[type](body, from, length)]));
}
