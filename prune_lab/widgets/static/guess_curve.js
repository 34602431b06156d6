// A guess that is a curve: drawn with mouse, pen, finger or the arrow keys; then the measured curve
// over it. A curve is a list of heights, one for each of `columns` places at equal distances, null
// where nothing is drawn.

import { guessPanel, legend, said } from "./guess.js";
import { element, write } from "./panel.js";

const SVG = "http://www.w3.org/2000/svg";

/** A part of a picture that is 1 wide and 1 high, whatever its size on the screen. */
function stroke(kind) {
  const made = document.createElementNS(SVG, "path");
  made.setAttribute("class", `prune-lab-stroke ${kind}`);
  made.setAttribute("vector-effect", "non-scaling-stroke");
  return made;
}

/**
 * Draw a straight line into `heights` from one place to another, both [column, height] with
 * columns that need not be whole. Every column between is set, at least the nearest one.
 */
export function drawLine(heights, [x0, y0], [x1, y1]) {
  const last = heights.length - 1;
  const within = (column) => Math.min(Math.max(column, 0), last);
  heights[within(Math.round(x1))] = y1;
  const [from, to] = x0 < x1 ? [x0, x1] : [x1, x0];
  for (let column = within(Math.ceil(from)); column <= within(Math.floor(to)); column += 1) {
    heights[column] = from === to ? y1 : y0 + ((y1 - y0) * (column - x0)) / (x1 - x0);
  }
  return heights;
}

/** The drawn pieces of a curve: lists of [column, height]. */
export function pieces(heights) {
  const found = [];
  heights.forEach((height, column) => {
    if (height === null) return;
    if (column && heights[column - 1] !== null) found.at(-1).push([column, height]);
    else found.push([[column, height]]);
  });
  return found;
}

/** Axes, and a place for strokes between them. `x` and `y` are `{ label, low, high, decimals }`. */
function axes({ x, y }, attributes = {}) {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", "0 0 1 1");
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("aria-hidden", "true");
  const grid = stroke("prune-lab-stroke-grid");
  grid.setAttribute("d", "M0 0H1M0 .25H1M0 .5H1M0 .75H1M0 1H1M0 0V1M.25 0V1M.5 0V1M.75 0V1M1 0V1");
  picture.append(grid);
  const area = element("div", { class: "prune-lab-plot-area", ...attributes }, picture);
  const ticks = ({ low, high, decimals }) => [low, (low + high) / 2, high].map((at) => element("span", {}, said(at, decimals)));
  const box = element("div", { class: "prune-lab-plot" },
    element("div", { class: "prune-lab-plot-label" }, y.label),
    element("div", { class: "prune-lab-plot-y" }, ...ticks(y).reverse()), area,
    element("div", { class: "prune-lab-plot-x" }, ...ticks(x)),
    element("div", { class: "prune-lab-plot-label prune-lab-plot-below" }, x.label));
  const share = ({ low, high }, at) => (at - low) / (high - low);
  return {
    box,
    area,
    picture,
    /** Lines, each through its points [x, y]; through a single point goes a dot. */
    path: (lines) => lines.map((points) => points.map(([a, b], i) => `${i ? "L" : "M"}${share(x, a)} ${1 - share(y, b)}`).join("")
      + (points.length === 1 ? "h0" : "")).join(""),
  };
}

const placeOf = ({ x, columns }, column) => x.low + ((x.high - x.low) * column) / (columns - 1);

const guessed = (question, plot, guess) => plot.path(
  pieces(guess ?? []).map((piece) => piece.map(([column, height]) => [placeOf(question, column), height])));

function ask(question, body, { move, rest }) {
  const { x, y, columns } = question;
  const plot = axes(question, {
    tabindex: "0", role: "application", "aria-roledescription": "drawing area", "data-lm-suppress-shortcuts": "true",
    "aria-label": `${y.label} against ${x.label}: left and right go along, up and down draw; Page Up and Page Down in large steps, Home and End go to the ends`,
  });
  const line = stroke("prune-lab-stroke-guess");
  const cursor = stroke("prune-lab-stroke-cursor");
  plot.picture.append(line, cursor);
  const hint = element("div", { class: "prune-lab-plot-hint", "aria-hidden": "true" }, "Draw your curve here");
  plot.area.append(hint);
  body.append(plot.box);

  let heights = Array(columns).fill(null);
  const draw = (from, to) => {
    drawLine(heights, from, to);
    move([...heights]);
  };

  // Mouse, pen, finger
  let last = null;
  const place = ({ clientX, clientY }) => {
    const { left, top, width, height } = plot.area.getBoundingClientRect();
    const [across, up] = [(clientX - left) / width, 1 - (clientY - top) / height].map((share) => Math.min(Math.max(share, 0), 1));
    return [across * (columns - 1), y.low + up * (y.high - y.low)];
  };
  const reach = (event) => {
    const to = place(event);
    draw(last ?? to, to);
    last = to;
  };
  plot.area.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    plot.area.setPointerCapture(event.pointerId);
    last = null;
    reach(event);
  });
  plot.area.addEventListener("pointermove", (event) => {
    if (!plot.area.hasPointerCapture(event.pointerId)) return;
    for (const point of event.getCoalescedEvents?.() ?? [event]) reach(point);
  });
  for (const end of ["pointerup", "pointercancel"]) plot.area.addEventListener(end, () => { last = null; rest(); });

  // The keyboard: what is drawn here goes straight from the drawn place that was left last
  let at = 0;
  let level = (y.low + y.high) / 2;
  let anchor = null;
  const whole = (height) => Math.min(Math.max(height, y.low), y.high);
  plot.area.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const along = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: columns - 1 }[event.key];
    const up = { ArrowUp: 0.02, ArrowDown: -0.02, PageUp: 0.1, PageDown: -0.1, " ": 0 }[event.key];
    if (along === undefined && up === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (along !== undefined) {
      if (heights[at] !== null) anchor = at;
      at = Math.min(Math.max(along, 0), columns - 1);
      level = heights[at] ?? level;
      showCursor();
      say();
      return;
    }
    level = whole(Number((level + up * (y.high - y.low)).toPrecision(12)));
    draw(anchor === null ? [at, level] : [anchor, heights[anchor]], [at, level]);
    say();
  });
  plot.area.addEventListener("keyup", rest);
  plot.area.addEventListener("blur", () => { anchor = null; rest(); });
  const spot = () => `${x.label} ${said(placeOf(question, at), x.decimals)}: ${said(level, y.decimals)}${heights[at] === null ? ", not drawn" : ""}`;
  const live = element("div", { class: "prune-lab-voice", "aria-live": "polite" });
  const where = element("div", { class: "prune-lab-note prune-lab-plot-spot" });
  body.append(where, live);
  function say() {
    write(live, spot());
    write(where, spot());
  }
  function showCursor() {
    cursor.setAttribute("d", plot.path([[[placeOf(question, at), level]]]));
  }

  return {
    set(guess) {
      heights = guess === null ? Array(columns).fill(null) : [...guess];
      if (guess === null) anchor = null;
      level = heights[at] ?? level;
      line.setAttribute("d", guessed(question, plot, guess));
      hint.hidden = guess !== null;
      showCursor();
    },
    words: (guess) => (guess === null ? "No guess yet: draw with mouse, finger or arrow keys, or go on without one." : "This is your guess. Draw over it to change it."),
  };
}

function reveal(question, body, truth) {
  const { x, y } = question;
  const plot = axes(question, { role: "img" });
  const [gap, line, real, dots] = ["gap", "guess", "truth", "dots"].map((kind) => stroke(`prune-lab-stroke-${kind}`));
  plot.picture.append(gap, line, real, dots);
  real.setAttribute("d", plot.path([truth]));
  dots.setAttribute("d", plot.path(truth.map((point) => [point])));
  const marks = element("div");
  body.append(plot.box, marks);
  const [first, last] = [truth[0], truth.at(-1)].map(([a, b]) => `${said(b, y.decimals)} at ${said(a, x.decimals)}`);
  return (guess, apart) => {
    line.setAttribute("d", guessed(question, plot, guess));
    gap.setAttribute("d", apart ? plot.path([[[apart[0], apart[1]], [apart[0], apart[2]]]]) : "");
    marks.replaceChildren(guess === null ? legend(["truth", "the truth"]) : legend(["guess", "your guess"], ["truth", "the truth"]));
    plot.area.setAttribute("aria-label", `${y.label} against ${x.label}, the truth${guess === null ? "" : " over your guess"}: from ${first} to ${last}`);
  };
}

export default guessPanel(ask, reveal);
