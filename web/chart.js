import { NAMES } from "./names.js";

// The chart of step 7: scores of all test pictures, a line for the threshold.
const LOW = -3, HIGH = 60, EDGE = 160;

// Even near the threshold, closer together far above it.
const at = (away, width) => EDGE + ((width - EDGE - 16) * (Math.asinh(Math.max(LOW, Math.min(HIGH, away))) - Math.asinh(LOW))) / (Math.asinh(HIGH) - Math.asinh(LOW));

export function counts(tests, away, classId = null) {
  const mine = tests.filter(([c]) => classId === null || c === classId);
  const normal = mine.filter(([, label]) => !label), defective = mine.filter(([, label]) => label);
  return { normal: normal.length, defective: defective.length, alarms: normal.filter(([, , a]) => a > away).length, missed: defective.filter(([, , a]) => a <= away).length };
}

export function drawThreshold(pen, { first, away }) {
  const { width, height } = pen.canvas, style = getComputedStyle(document.body), text = style.color, row = (height - 60) / first.classes.length;
  pen.font = `${Math.max(22, Math.min(32, (11 * width) / (pen.canvas.clientWidth || width)))}px system-ui, sans-serif`; // legible on a telephone
  pen.textBaseline = "middle";
  pen.textAlign = "left";
  pen.lineWidth = 2.5;
  first.classes.forEach((name, c) => {
    pen.fillStyle = text;
    pen.fillText(NAMES[name] ?? name, 10, row * (c + 0.5));
    first.tests.filter(([of]) => of === c).forEach(([, label, score], i) => {
      const x = at(score, width), y = row * (c + (label ? 0.62 : 0.28)) + ((i * 7) % 5) * 3;
      pen.strokeStyle = style.getPropertyValue(label ? "--defect" : "--blue");
      pen.beginPath();
      if (label) { pen.moveTo(x - 5, y - 5); pen.lineTo(x + 5, y + 5); pen.moveTo(x + 5, y - 5); pen.lineTo(x - 5, y + 5); } else pen.arc(x, y, 5, 0, 7);
      pen.stroke();
    });
  });
  const line = at(away, width);
  pen.strokeStyle = text;
  pen.setLineDash([8, 6]);
  pen.beginPath();
  pen.moveTo(line, 0);
  pen.lineTo(line, height - 56);
  pen.stroke();
  pen.setLineDash([]);
  pen.fillStyle = text;
  pen.textAlign = "center";
  for (const tick of [-2, 0, 2, 5, 10, 20, 50]) pen.fillText(String(tick), at(tick, width), height - 40);
  pen.fillText("score (standard deviations)", (EDGE + width) / 2, height - 12);
}
