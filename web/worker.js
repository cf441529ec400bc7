// Keeps the detector off the page's own thread.
import { judge, load } from "./detector.js";

onmessage = async ({ data }) => {
  try {
    if (data.kind === "load") {
      await load(data, (done) => postMessage({ kind: "progress", done }));
      postMessage({ kind: "ready" });
    } else {
      const result = await judge(data);
      const moved = Object.values(result).filter(ArrayBuffer.isView).map((array) => array.buffer);
      postMessage({ kind: "result", id: data.id, result }, moved);
    }
  } catch (error) {
    postMessage({ kind: "error", id: data.id, message: String(error?.message ?? error) });
  }
};
