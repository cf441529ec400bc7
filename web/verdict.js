// From a score to a verdict, as hvqlib's `Calibration` makes it.

// How many of the sorted numbers are below a value.
function below(sorted, value) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1; else high = middle;
  }
  return low;
}

// Which of the held-out scores is the threshold.
export function thresholdOf(normal) {
  const allowed = normal.p_values.filter((p) => p <= normal.false_alarm + 1e-9).length;
  return normal.held_out_scores[normal.held_out_scores.length - allowed];
}

export function verdictOf(result, normal) {
  const mean = normal.image_mean[result.classId], spread = normal.image_spread[result.classId];
  const away = Math.fround(Math.fround(result.score - mean) / spread);
  const pValue = normal.p_values[normal.held_out_scores.length - below(normal.held_out_scores, away)];
  const defective = pValue <= normal.false_alarm + 1e-9;
  return { defective, stranger: result.strangeness > 1, threshold: normal.thresholds[result.classId],
    name: result.strangeness > 1 ? "stranger" : defective ? "defective" : "normal" };
}
