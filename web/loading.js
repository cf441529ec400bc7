// Brings the compressed blocks behind the page's program to life, and the detector in them.
import { unpack } from "./pack.js";

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// The bytes of a block, once the browser has read that far. Its text is dropped: it would be held twice.
async function bytes(id) {
  let node;
  while (!(node = document.getElementById(`block-${id}`)) || (document.readyState === "loading" && !node.nextElementSibling)) await pause(30);
  const text = node.textContent;
  node.remove();
  const packed = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const { readable, writable } = new DecompressionStream("gzip"), pen = writable.getWriter();
  pen.write(packed);
  pen.close();
  const parts = [];
  for (let reader = readable.getReader(), part; !(part = await reader.read()).done;) parts.push(part.value);
  const whole = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  for (let at = 0, i = 0; i < parts.length; at += parts[i++].length) whole.set(parts[i], at);
  return whole.buffer;
}

const text = async (id) => new TextDecoder().decode(await bytes(id));

// Pictures, arrays, and a detector that answers `judge`; `told` hears how far it is, 0 to 1.
export async function bring(told, here) {
  here.pictures(JSON.parse(await text("pictures")));
  told(0.1);
  const arrays = unpack(await bytes("arrays"));
  here.arrays(arrays);
  told(0.2);
  const url = URL.createObjectURL(new Blob([await text("worker")], { type: "text/javascript" }));
  const worker = new Worker(url);
  const wasm = await bytes("wasm");
  told(0.35);
  const files = { model: await bytes("model"), twin: await bytes("twin") };
  told(0.5);
  const waiting = new Map();
  let id = 0;
  await new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(new Error(event.message));
    worker.onmessage = ({ data }) => {
      if (data.kind === "progress") told(data.done);
      else if (data.kind === "ready") resolve();
      else if (data.kind === "error" && data.id === undefined) reject(new Error(data.message));
      else {
        const [good, bad] = waiting.get(data.id);
        waiting.delete(data.id);
        if (data.kind === "error") bad(new Error(data.message));
        else good(data.result);
      }
    };
    worker.postMessage({ kind: "load", wasm, files, arrays }, [wasm, files.model, files.twin]);
  });
  URL.revokeObjectURL(url);
  told(1);
  return {
    judge: (picture, more) => new Promise((good, bad) => {
      const { data, width, height } = picture, pixels = new Uint8Array(width * height * 3);
      for (let i = 0, j = 0; i < data.length; i += 4) { pixels[j++] = data[i]; pixels[j++] = data[i + 1]; pixels[j++] = data[i + 2]; }
      waiting.set(++id, [good, bad]);
      worker.postMessage({ kind: "judge", id, pixels, width, height, ...more }, [pixels.buffer]);
    }),
  };
}
