// What the tour says: eight steps, each with something to predict before it is shown, and a page for one's own pictures.
import { counts } from "./chart.js";
import { NAMES, oneOf } from "./names.js";
import { thresholdOf } from "./verdict.js";

const percent = (share) => `${Math.round(100 * share)}\u00a0%`;
const agreed = (right) => (right ? "You predicted it." : "Your prediction was different.");
const defect = (sample) => ({ misplaced: "a misplaced part" })[sample.defect] ?? sample.defect.replaceAll("_", " ");

// The verdict in words.
function verdict(state, { verdictOf }) {
  const told = verdictOf(state.result, state.first), numbers = `score ${state.result.score.toFixed(1)}, threshold ${told.threshold.toFixed(1)}`;
  if (told.stranger) return `<p>The detector calls it a <span class="bad">stranger</span>, unlike every product it knows: its map means little.</p>`;
  return `<p>The detector says <span class="${told.defective ? "bad" : "good"}">${told.name}</span>: ${numbers}.</p>`;
}

// The question of step 6: how many codes a scratch flips.
const flips = (n) => (n < 10 ? 0 : n <= 40 ? 1 : 2);
const median = (values) => Array.from(values).sort((a, b) => a - b)[values.length >> 1];

export const steps = [
  {
    short: "a picture", title: "Pick a product and a picture",
    intro: ({ first }) => `<p>The detector has learned from ${first.learned} normal pictures of each of seven products, and from no defect at all. Still, it must tell whether a new picture has a defect, and where.</p>
      <p>Choose another product or picture at any time; every step works with each of them.</p>`,
    question: () => "Predict: is something wrong with this picture?", options: ["nothing is wrong", "something is wrong"],
    before: ["picture"], after: ["truth", "map"],
    answer: (state, tell) => {
      const wrong = state.sample?.label, truth = wrong ? `a defect (${defect(state.sample)}), outlined` : "a normal picture";
      const told = !state.sample ? "" : state.strokes.length ? `You have painted on this picture. Without the paint, the truth is: ${truth}.` : `The truth: ${truth}. ${agreed(state.answers[0] === (wrong ? 1 : 0))}`;
      return `${verdict(state, tell)}<p>${told} The other picture is the <b>anomaly map</b>: the brighter a place, the less normal it is.</p><p>How can it know, having never seen a defect? The next steps show it.</p>`;
    },
  },
  {
    short: "features", title: "What the network sees: features", place: true,
    intro: () => `<p>First, a network that was trained on photographs of other things (ImageNet), and is left as it is, divides the picture into 14 × 14 places and describes each by 192 numbers, its <b>features</b>. Places with similar numbers look alike to the network.</p>
      <p>We cannot show 192 numbers. We show the three directions in which normal pictures of the product vary most (their first principal components) as red, green and blue.</p>`,
    question: () => "Predict: how much of the variance of the 192 numbers do these three directions hold?", options: ["at most a quarter", "a quarter to a half", "more than half"],
    before: ["picture"], after: ["picture", "colours"],
    answer: ({ first, answers, classId }) => {
      const share = first.held_colours[classId], name = NAMES[first.classes[classId]] ?? first.classes[classId];
      return `<p>${percent(share)} of it, in pictures of the product "${name}". ${agreed(answers[1] === (share <= 0.25 ? 0 : share <= 0.5 ? 1 : 2))} So two places of the same colour may still differ. The detector uses all 192 numbers; the colours are for you.</p>
        <p>Choose a place with the mouse, a tap or the arrow keys: it is marked in both pictures.</p>`;
    },
  },
  {
    short: "prototypes", title: "Every place snaps to a prototype", place: true, hover: true, levels: true,
    intro: (state) => `<p>An encoder turns the features of each place into a new vector, its <b>token</b>. Then every token is replaced by the nearest of ${state.first.codes} <b>prototypes</b>: typical patterns, learned from normal pictures of the product. The list of them is the <b>codebook</b>, and which of them was taken is the <b>code</b> of the place.
      This is <b>vector quantisation</b>. It happens at five depths of the encoder: level 0 is what goes into it, "top" what comes out.</p>${state.own ? "<p>Your photograph is read with the prototypes of the product that it resembles most.</p>" : ""}`,
    question: (state) => `Choose ${state.sample?.label ? "a place where something is wrong" : "any place"}, by mouse, tap or arrow keys. Predict: what does its prototype stand for?`, options: ["something odd like it", "something normal", "nothing visible"],
    before: ["picture"], after: ["picture"],
    answer: (state, { where }) => `<p>Something normal: the patches are cut from normal pictures, for the prototypes were learned from no other. ${agreed(state.answers[2] === 1)} (So this drawing could not show anything odd; look at the distance, too.)</p>
        <p>At ${where(state.place)} the distance from the token to its top prototype is ${state.result.distances[state.place].toFixed(1)} times the usual one. Only the prototype is passed on, never the token itself.</p>
        <p>Move over the picture, or use the arrow keys.</p>`,
  },
  {
    short: "reconstruction", title: "The decoder rebuilds the picture from prototypes", place: true,
    intro: () => `<p>A decoder is given the prototypes, and nothing else, and rebuilds the features of every place: the <b>reconstruction</b>. It has learned to do so on normal pictures.</p>
      <p>To look at it, we show for each place the normal patch whose features are most like the rebuilt ones.</p>`,
    question: (state) => (state.sample?.label || state.own ? "Predict: what will the decoder rebuild where something is wrong?" : "Predict: in a picture with a defect, what would the decoder rebuild there?"), options: ["the defect", "something normal", "a hole"],
    before: ["picture"], after: ["truth", "patches"],
    answer: (state) => `<p>Something normal. ${agreed(state.answers[3] === 1)} Often it is what belongs there, sometimes another normal thing.${state.sample && !state.sample.label ? " In this picture nothing is wrong; choose one with a defect to see it." : ""}</p>
      <p>But be careful: this mosaic is made of normal patches, so it <i>could not</i> show a defect. The evidence is in the numbers, and comes next.</p>`,
  },
  {
    short: "the difference", title: "Where picture and reconstruction differ", place: true, three: true,
    intro: () => `<p>Subtract: the features of the picture minus the rebuilt ones. The decoder is never exactly right, so something is left everywhere; most, usually, where something is wrong. Then each place is measured against what is usual <i>there</i> in normal pictures of the product. That is the anomaly map.</p>`,
    question: () => "Predict: where will the map be brightest? Choose the place, by click, tap or arrow keys.", options: ["show the map"],
    before: ["picture"], after: ["truth", "residual", "map"],
    answer: (state, { where, highest }) => {
      const { map } = state.result, side = Math.sqrt(map.length), sums = new Float32Array(196);
      map.forEach((v, i) => { sums[Math.floor((Math.floor(i / side) / side) * 14) * 14 + Math.floor(((i % side) / side) * 14)] += v; });
      const rank = sums.reduce((n, v) => n + (v > sums[state.place]), 1), best = highest(sums);
      return `<p>It is brightest at ${where(best)}. ${rank === 1 ? "You found it." : `The place that you have chosen (${where(state.place)}) is number ${rank} of 196.`}${state.sample && !state.sample.label && !state.strokes.length ? " Nothing is wrong in this picture: its brightest place is only the least usual one." : ""}</p>
        <p>Compare the last two pictures. The difference is large in some places of normal pictures, too. The map asks how unusual the difference is at its place, so such places stay dark.</p>`;
    },
  },
  {
    short: "paint", title: "Paint a defect yourself", paints: true, normal: true,
    intro: (state) => `<p>${state.own ? "Your photograph" : state.sample?.label ? `This picture already has a defect (${defect(state.sample)})` : `A normal picture of ${oneOf(state.first.classes[state.classId])}`}. Paint on it with the mouse or a finger, or with the arrow keys (space puts the brush down and lifts it), and watch: every change runs through the whole detector.</p>
      <p>Where the code is no longer that of the picture without paint, it has <b>flipped</b>: the place is framed.</p>`,
    question: () => "The button \"draw a scratch\" draws a black line across the picture. Predict: how many of its 196 top codes will flip?", options: ["fewer than 10", "10 to 40", "more than 40"],
    before: ["picture"], after: ["paint", "flips", "map"],
    answer: (state, tell) => {
      if (!state.strokes.length) return "<p>Now press \"draw a scratch\", or paint.</p>";
      const n = tell.flipped().length, alone = state.strokes.length === 1 && state.strokes[0] === tell.scratch, took = state.answered ? ` Answered in ${Math.round(state.answered)} ms.` : "";
      return `${verdict(state, tell)}<p>${n === 1 ? "1 code has" : `${n} codes have`} flipped. ${alone ? agreed(state.answers[5] === flips(n)) : ""} They need not lie under the paint, because in the encoder every place can look at every other.${took}</p>
        <p>A flipped code is no alarm by itself. What raises the score is the difference that is left. Can you paint something that everybody sees and the detector does not?</p>`;
    },
  },
  {
    short: "the threshold", title: "Where to draw the line: two mistakes", threshold: true,
    intro: ({ first }) => `<p>A threshold turns a score into a verdict. It is set on normal pictures that were kept out of training, so that at most ${percent(first.false_alarm)} of normal pictures are called defective; we can be ${percent(first.confidence)} sure of this. No defect is needed for it.</p>
      <p>The chart shows all test pictures of the seven products: blue circles are normal ones, orange crosses defective ones. Scores are rescaled, in standard deviations of normal ones, so that all products share one threshold.</p>`,
    question: ({ first }) => `Predict: of the ${counts(first.tests, 0).normal} normal test pictures, how many raise a false alarm at the threshold as shipped?`, options: ["at most 3", "4 to 10", "more than 10"],
    before: [], after: ["chart"],
    answer: ({ first, away, answers }) => {
      const shipped = counts(first.tests, thresholdOf(first)), right = shipped.alarms <= 3 ? 0 : shipped.alarms <= 10 ? 1 : 2, now = counts(first.tests, away);
      const rows = first.classes.map((name, c) => { const n = counts(first.tests, away, c); return `<tr><td>${NAMES[name] ?? name}</td><td>${n.alarms} of ${n.normal}</td><td>${n.missed} of ${n.defective}</td></tr>`; }).join("");
      return `<p><b>${now.alarms}</b> false alarms of ${now.normal}, <b>${now.missed}</b> missed defects of ${now.defective}, with the threshold at ${away.toFixed(1)}.</p>
        <p>As shipped it is ${shipped.alarms} and ${shipped.missed}. ${agreed(answers[6] === right)} That is ${(100 * shipped.alarms / shipped.normal).toFixed(1)}\u00a0% false alarms; with ${shipped.normal} pictures, anything from ${first.chance[0]} to ${first.chance[1]} would be within chance (95\u00a0%), were it ${percent(first.false_alarm)} on average. Move the line: fewer mistakes of one kind mean more of the other.</p>
        <div class="scroll" tabindex="0" role="region" aria-label="mistakes by product"><table><thead><tr><th scope="col">product</th><th scope="col">false alarms</th><th scope="col">missed</th></tr></thead><tbody>${rows}</tbody></table></div>`;
    },
  },
  {
    short: "without codebooks", title: "What does quantisation do? The same network without it", normal: true, scratched: true, three: true,
    intro: () => `<p>Leave the codebooks out, and train the same network on the same pictures equally long: tokens pass as they are, and nothing snaps to anything. Such a network may learn to copy its input, the defect included; this is the <b>identical shortcut</b> that HVQ-Trans was designed to prevent.</p>
      <p>Here is a picture with your paint on it, or with a scratch that we drew.</p>`,
    question: () => "Predict: how much of the paint does the network without codebooks rebuild?", options: ["less than 25 %", "25 to 50 %", "more than 50 %"],
    before: ["picture"], after: ["picture", "residual", "twinResidual"],
    answer: (state, { survival }) => {
      const { full, continuous } = state.first.measured, one = survival("reconstruction"), other = survival("twinReconstruction");
      if (one === null || other === null) return "<p>The detector is looking.</p>";
      const cell = (v) => `<td>${(100 * v).toFixed(1)}</td>`, row = (name, m) => `<tr><td>${name}</td>${cell(m.image_auroc)}${cell(m.pixel_auroc)}${cell(m.aupro)}</tr>`;
      const { residual, twinResidual } = state.result, highestOf = (values) => Math.max(...values), share = (of) => percent(of(twinResidual) / of(residual));
      const times = (values) => (highestOf(values) / median(values)).toFixed(1);
      return `<p>${percent(other)} of what the paint changed in the features. ${agreed(state.answers[7] === (other < 0.25 ? 0 : other <= 0.5 ? 1 : 2))} With codebooks it is ${percent(one)}.</p>
        <p>Is the copying network the worse detector, then? Measured on all test pictures of the seven products, one training each, in percent (AUROC: 100 is a perfect ranking, 50 is guessing; AUPRO: how well whole defects are covered):</p>
        <div class="scroll" tabindex="0" role="region" aria-label="both networks measured"><table><thead><tr><th scope="col"></th><th scope="col">image AUROC</th><th scope="col">pixel AUROC</th><th scope="col">AUPRO</th></tr></thead><tbody>${row("with codebooks", full)}${row("without", continuous)}</tbody></table></div>
        <p>Hardly. The difference becomes smaller everywhere, not only at the paint: in this picture the median falls to ${share(median)} of that with codebooks, the largest to ${share(highestOf)}. The largest is still ${times(twinResidual)} times the median (with codebooks ${times(residual)} times): what is odd stands out in both. When copying becomes a loss is studied in notebooks 03 and 11.</p>`;
    },
  },
  {
    short: "your own photograph", title: "Your own photograph", own: true, paints: true,
    intro: () => `<p>The detector knows seven products, six drawn by a program and one photographed. It compares your photograph with the product that it resembles most. If it is unlike all of them, it is called a <b>stranger</b>, and its map means little.</p>
      <p>A detector for your own products is made from a few dozen normal photographs: notebook 12 of the course does it.</p>`,
    before: ["paint", "patches", "map"], after: ["paint", "patches", "map"],
    answer: (state, tell) => {
      const product = state.first.classes[state.result.classId], named = NAMES[product] ?? product;
      if (!state.own) return `<p>The picture from before is still open; you can paint on it, too.</p>${verdict(state, tell)}`;
      const name = Object.assign(document.createElement("b"), { textContent: state.own }).outerHTML;
      return `<p>${name} looks most like <b>${named}</b>; strangeness ${state.result.strangeness.toFixed(1)} (above 1: unlike every product).</p>${verdict(state, tell)}`;
    },
  },
];
