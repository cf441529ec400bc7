// What the tour says: eight steps, each with something to predict before it is shown, and a page for one's own pictures.
import { counts } from "./chart.js";
import { thresholdOf } from "./verdict.js";

export const LEVELS = ["top", "level 3", "level 2", "level 1", "level 0"];
const percent = (share) => `${Math.round(100 * share)} %`;
const product = (state) => (state.own ? "your photograph" : `the ${state.first.classes[state.classId]}`);

// How the detector puts its verdict, as words.
function verdict(state, { verdictOf }) {
  if (!state.result) return "<p>The detector is looking.</p>";
  const told = verdictOf(state.result, state.first), named = { normal: "good", defective: "bad", stranger: "bad" }[told.name];
  const score = `score ${state.result.score.toFixed(1)}, threshold ${told.threshold.toFixed(1)}`;
  return `<p>The detector says <span class="${named}">${told.name}</span>: ${score}.</p>`;
}

function agreed(state, step, right) {
  return state.answers[step] === right ? "You predicted it." : "You predicted otherwise.";
}

export const steps = [
  {
    short: "a picture", title: "Pick a product and a picture",
    intro: ({ first }) => `<p>The detector has learned from ${first.learned} normal pictures of each of seven products, and from no defect at all. Still it has to say of a new
      picture whether something is wrong, and where.</p><p>Choose another product or picture at any time; every step can be taken with each of them.</p>`,
    question: () => "is something wrong with this picture?", options: ["nothing is wrong", "something is wrong"],
    before: ["picture"], after: ["truth", "map"],
    answer: (state, tell) => {
      const wrong = state.sample?.label, told = state.sample ? `The truth: ${wrong ? `a defect (${state.sample.defect.replaceAll("_", " ")}), outlined` : "a normal picture"}. ${agreed(state, 0, wrong ? 1 : 0)}` : "";
      return `${verdict(state, tell)}<p>${told} The other picture is the anomaly map: the brighter a place, the less it is like what is normal there.</p><p>How does it know, having never seen a defect? The next six steps show it.</p>`;
    },
  },
  {
    short: "features", title: "What the network sees: features", place: true,
    intro: () => `<p>The picture goes through a network that was trained on photographs of other things (ImageNet) and is left as it is. It turns each of 14 by 14 places into 192
      numbers, the <b>features</b>. Places with like numbers look alike to it.</p><p>192 numbers cannot be shown; but the three directions in which normal pictures of the product vary most can, as red, green and blue.</p>`,
    question: () => "how much of what the 192 numbers vary do three directions hold?", options: ["at most a quarter", "a quarter to a half", "more than half"],
    before: ["picture"], after: ["picture", "colours"],
    answer: ({ first, answers, classId }) => {
      const share = first.held_colours[classId], right = share <= 0.25 ? 0 : share <= 0.5 ? 1 : 2;
      return `<p>${percent(share)} of it, on the ${first.classes[classId]}. ${answers[1] === right ? "You predicted it." : "You predicted otherwise."} So places of one colour may still differ in much that the colours do not show. The detector uses all 192 numbers; the colours are for you.</p>
        <p>Choose a place with the mouse or the arrow keys: it is marked in both pictures.</p>`;
    },
  },
  {
    short: "prototypes", title: "Every place snaps to a prototype", place: true, hover: true, levels: true,
    intro: (state) => `<p>An encoder turns each place into a token, and every token is replaced by the nearest of 512 <b>prototypes</b> of the product: typical patterns that were learned from normal pictures.
      This is <b>vector quantisation</b>. It is done at five levels, which see the picture as it passes through the encoder.</p>${state.own ? "<p>Your photograph is read with the prototypes of the product that it looks most like.</p>" : ""}`,
    question: () => "choose a place on something odd. What does its prototype stand for?", options: ["for odd things like it", "for something normal", "for nothing that one can see"],
    before: ["picture"], after: ["picture"],
    answer: (state, { where }) => {
      if (!state.result) return "<p>The detector is looking.</p>";
      const away = LEVELS.map((_, l) => state.result.distances[l * 196 + state.place]);
      return `<p>For something normal: every patch beside the picture is cut from a normal one, for the detector has seen no other. ${agreed(state, 2, 1)}</p>
        <p>At ${where(state.place)} the token is ${away[0].toFixed(1)} times as far from its top prototype as tokens usually are. What matters is that it cannot be passed on as it is: only the prototype is.</p>
        <p>Move the mouse or the arrow keys over the picture.</p>`;
    },
  },
  {
    short: "reconstruction", title: "The decoder rebuilds the picture from prototypes", place: true,
    intro: () => `<p>A decoder is given the prototypes, and only these, and rebuilds the features of every place: the <b>reconstruction</b>. It has learned to do so for normal pictures.</p>
      <p>To look at it, we show for each place the patch of a normal picture whose features are most like the rebuilt ones.</p>`,
    question: () => "what will stand where something is wrong?", options: ["the defect", "something normal", "a hole"],
    before: ["picture"], after: ["truth", "patches"],
    answer: (state) => `<p>Something normal. ${agreed(state, 3, 1)} Often it is what belongs there, sometimes another normal thing.</p>
      <p>But do not be carried away: this mosaic is made of normal patches, so it <i>could not</i> show a defect. The evidence is in the numbers, and comes next.</p>`,
  },
  {
    short: "the difference", title: "Where picture and reconstruction differ", place: true,
    intro: () => `<p>The features of the picture minus the rebuilt ones: where nothing is wrong, the decoder is nearly right, and little is left. Then each place is measured against what is usual <i>there</i>, in normal
      pictures of this product. That is the anomaly map.</p><p>Choose the place where you expect it to be brightest (click, or arrow keys), then say that you have.</p>`,
    question: () => "where is the map at its highest?", options: ["at the place I have chosen"],
    before: ["picture"], after: ["truth", "residual", "map"],
    answer: (state, { where, highest }) => {
      if (!state.result) return "<p>The detector is looking.</p>";
      const { map } = state.result, side = Math.sqrt(map.length), means = new Float32Array(196);
      map.forEach((v, i) => { means[Math.floor((Math.floor(i / side) / side) * 14) * 14 + Math.floor(((i % side) / side) * 14)] += v; });
      const rank = means.reduce((n, v) => n + (v > means[state.place]), 1), best = highest(means);
      return `<p>It is highest at ${where(best)}. Your place (${where(state.place)}) is number ${rank} of 196.</p>
        <p>Compare the two: what is left over looks restless in the raw difference, for edges are always harder to rebuild. The map knows which places usually are, and is quiet there.</p>`;
    },
  },
  {
    short: "paint", title: "Paint a defect yourself", paints: true, normal: true,
    intro: (state) => `<p>${state.own ? "Your photograph" : `A normal picture of ${product(state)}`}. Paint on it with the mouse or a finger, or with the arrow keys (space puts the brush down and lifts it), and watch:
      every change runs through the whole detector.</p><p>A code that is no longer that of the clean picture has <b>flipped</b>; its place is framed.</p>`,
    question: () => "a black scratch across the product: how many of its 196 top codes flip?", options: ["fewer than 10", "10 to 40", "more than 40"],
    before: ["picture"], after: ["paint", "flips", "map"],
    answer: (state, tell) => {
      if (!state.strokes.length) return "<p>Paint, or press \"a scratch, please\".</p>";
      const n = tell.flipped().length, which = n < 10 ? 0 : n <= 40 ? 1 : 2, took = state.answered ? ` Answered in ${Math.round(state.answered)} ms.` : "";
      return `${verdict(state, tell)}<p>${n} codes have flipped${state.answers[5] === which ? ", as you predicted" : ""}: not only under the paint, for the encoder lets every place look at all others.${took}</p>
        <p>A flipped code is no alarm by itself. What raises the score is the difference that is left. Can you paint something that everybody sees and the detector does not?</p>`;
    },
  },
  {
    short: "the threshold", title: "Where to draw the line: two mistakes", threshold: true,
    intro: ({ first }) => `<p>A score becomes a verdict by a threshold. It is set on normal pictures that were kept from training, so that at most ${percent(first.false_alarm)} of normal ones are called defective (with 80 % confidence). No defect is needed for that.</p>
      <p>The chart shows all test pictures of the seven products: blue circles are normal ones, orange crosses defective ones.</p>`,
    question: ({ first }) => `of the ${counts(first.tests, 0).normal} normal test pictures, how many raise a false alarm at the threshold as shipped?`, options: ["at most 2", "3 to 8", "more than 8"],
    before: [], after: ["chart"],
    answer: ({ first, away, answers }) => {
      const shipped = counts(first.tests, thresholdOf(first)), right = shipped.alarms <= 2 ? 0 : shipped.alarms <= 8 ? 1 : 2, now = counts(first.tests, away);
      const rows = first.classes.map((name, c) => { const n = counts(first.tests, away, c); return `<tr><td>${name}</td><td>${n.alarms} of ${n.normal}</td><td>${n.missed} of ${n.defective}</td></tr>`; }).join("");
      return `<p>As shipped: ${shipped.alarms} false alarms and ${shipped.missed} missed defects. ${answers[6] === right ? "You predicted it." : "You predicted otherwise."} (${percent(first.false_alarm)} of ${shipped.normal} would be ${(first.false_alarm * shipped.normal).toFixed(0)}, give or take chance.) Move the line: fewer of one mistake are more of the other.</p>
        <p>Now: <b>${now.alarms}</b> false alarms of ${now.normal}, <b>${now.missed}</b> missed of ${now.defective}.</p>
        <div class="scroll" tabindex="0" role="region" aria-label="mistakes by product"><table><thead><tr><th scope="col">product</th><th scope="col">false alarms</th><th scope="col">missed</th></tr></thead><tbody>${rows}</tbody></table></div>`;
    },
  },
  {
    short: "without codebooks", title: "What does quantisation do? The same network without it",
    intro: () => `<p>Leave the codebooks out, and train the same network on the same pictures for as long: tokens pass as they are, nothing is snapped to anything. Such a network may learn to copy its input, the defect included;
      this is the <b>identical shortcut</b> against which HVQ-Trans was made.</p>`,
    question: () => "without codebooks, how much of the difference is left at a defect?", options: ["much less: it copies", "somewhat less", "as much"],
    before: ["picture"], after: ["patches", "residual", "twinPatches", "twinResidual"],
    answer: (state, { survival }) => {
      const { full, continuous } = state.first.measured, one = survival("reconstruction"), other = survival("twinReconstruction");
      const cell = (v) => `<td>${(100 * v).toFixed(1)}</td>`, row = (name, m) => `<tr><td>${name}</td>${cell(m.image_auroc)}${cell(m.pixel_auroc)}${cell(m.aupro)}</tr>`;
      const lasting = one === null ? "Paint in step 6, come back without leaving the picture, and you read here how much of your paint each of them rebuilds."
        : `Of what your paint changed, the network with codebooks rebuilds ${percent(one)}, the one without ${percent(other)}.`;
      const left = state.result?.twinResidual ? Math.max(...state.result.twinResidual) / Math.max(...state.result.residual) : null;
      const said = left === null ? "" : `On this picture the largest difference without codebooks is ${percent(left)} of that with them. ${agreed(state, 7, left < 0.5 ? 0 : left < 0.85 ? 1 : 2)} `;
      return `<p>${said}${lasting}</p>
        <p>And is it the worse detector for that? Measured on all test pictures of foundry, the seven products, one training each, in percent:</p>
        <div class="scroll" tabindex="0" role="region" aria-label="both networks measured"><table><thead><tr><th scope="col"></th><th scope="col">image AUROC</th><th scope="col">pixel AUROC</th><th scope="col">AUPRO</th></tr></thead><tbody>${row("with codebooks", full)}${row("without", continuous)}</tbody></table></div>
        <p>So it copies far more, and detects nearly as well: a place is judged by what is usual there, and less is usual where normal things are copied too. When copying becomes a loss is a question of notebooks 03 and 11.</p>`;
    },
  },
  {
    short: "your own photograph", title: "Your own photograph", own: true, paints: true,
    intro: () => `<p>The detector knows seven products, drawn ones but for the ball screw. It takes your photograph for the one that it looks most like, and says so if it is unlike all of them: then it is called a
      <b>stranger</b>, and a map of it means little.</p><p>A detector for your own products is made from a few dozen normal photographs: notebook 12 of the course does it.</p>`,
    before: ["paint", "patches", "map"], after: ["paint", "patches", "map"],
    answer: (state, tell) => {
      if (!state.own) return "<p>Until you choose one, the picture from before is open: paint on it.</p>";
      const far = state.result ? `<p>It looks most like <b>${state.first.classes[state.result.classId]}</b>; strangeness ${state.result.strangeness.toFixed(1)} (above 1: unlike every product).</p>` : "";
      return verdict(state, tell) + far;
    },
  },
];
