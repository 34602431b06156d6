// A guess that is a curve: drawn with mouse, pen, finger or the arrow keys; then the measured curve
// over it. A curve is a list of heights, one for each of `columns` places at equal distances, null
// where nothing is drawn.

import { guessPanel, legend, said } from "./guess.js";
import { element, write } from "./panel.js";

/** @import { Axis, CurveQuestion, Hand, View } from "./guess.js" */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Heights by column, and a point of such a curve: [column, height].
 * @typedef {(number | null)[]} Heights
 * @typedef {[number, number]} Point
 */

/**
 * A part of a picture that is 1 wide and 1 high, whatever its size on the screen.
 * @param {string} kind
 */
function stroke(kind) {
  const made = document.createElementNS(SVG, "path");
  made.setAttribute("class", `prune-lab-stroke ${kind}`);
  made.setAttribute("vector-effect", "non-scaling-stroke");
  return made;
}

/**
 * Draw a straight line into `heights` from one place to another, both [column, height] with
 * columns that need not be whole. Every column between is set, at least the nearest one.
 * @param {Heights} heights
 * @param {Point} from
 * @param {Point} to
 */
export function drawLine(heights, [x0, y0], [x1, y1]) {
  const last = heights.length - 1;
  /** @param {number} column */
  const within = (column) => Math.min(Math.max(column, 0), last);
  heights[within(Math.round(x1))] = y1;
  const [from, to] = x0 < x1 ? [x0, x1] : [x1, x0];
  for (let column = within(Math.ceil(from)); column <= within(Math.floor(to)); column += 1) {
    heights[column] = from === to ? y1 : y0 + ((y1 - y0) * (column - x0)) / (x1 - x0);
  }
  return heights;
}

/**
 * The drawn pieces of a curve.
 * @param {Heights} heights
 */
export function pieces(heights) {
  /** @type {Point[][]} */
  const found = [];
  heights.forEach((height, column) => {
    if (height === null) return;
    if (!column || heights[column - 1] === null) found.push([]);
    found[found.length - 1].push([column, height]);
  });
  return found;
}

/**
 * Axes, and a place for strokes between them.
 * @param {CurveQuestion} question
 * @param {Record<string, string>} attributes
 */
function axes({ x, y }, attributes = {}) {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", "0 0 1 1");
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("aria-hidden", "true");
  const grid = stroke("prune-lab-stroke-grid");
  grid.setAttribute("d", "M0 0H1M0 .25H1M0 .5H1M0 .75H1M0 1H1M0 0V1M.25 0V1M.5 0V1M.75 0V1M1 0V1");
  picture.append(grid);
  const area = element("div", { class: "prune-lab-plot-area", ...attributes }, picture);
  /** @param {Axis} axis */
  const ticks = ({ low, high, decimals }) =>
    [low, (low + high) / 2, high].map((at) => element("span", {}, said(at, decimals)));
  const box = element(
    "div",
    { class: "prune-lab-plot" },
    element("div", { class: "prune-lab-plot-label" }, y.label),
    element("div", { class: "prune-lab-plot-y" }, ...ticks(y).reverse()),
    area,
    element("div", { class: "prune-lab-plot-x" }, ...ticks(x)),
    element("div", { class: "prune-lab-plot-label prune-lab-plot-below" }, x.label),
  );
  /**
   * @param {Axis} axis
   * @param {number} at
   */
  const share = ({ low, high }, at) => (at - low) / (high - low);
  return {
    box,
    area,
    picture,
    /**
     * Lines, each through its points [x, y]; through a single point goes a dot.
     * @param {Point[][]} lines
     */
    path: (lines) =>
      lines
        .map(
          (points) =>
            points.map(([a, b], i) => `${i ? "L" : "M"}${share(x, a)} ${1 - share(y, b)}`).join("") +
            (points.length === 1 ? "h0" : ""),
        )
        .join(""),
  };
}

/** @typedef {ReturnType<typeof axes>} Plot */

/**
 * The x of a column.
 * @param {CurveQuestion} question
 * @param {number} column
 */
const placeOf = ({ x, columns }, column) => x.low + ((x.high - x.low) * column) / (columns - 1);

/**
 * @param {CurveQuestion} question
 * @param {Plot} plot
 * @param {Heights | null} guess
 */
function guessed(question, plot, guess) {
  /** @type {(point: Point) => Point} */
  const placed = ([column, height]) => [placeOf(question, column), height];
  return plot.path(pieces(guess ?? []).map((piece) => piece.map(placed)));
}

/**
 * @param {number} number
 * @param {number} low
 * @param {number} high
 */
const between = (number, low, high) => Math.min(Math.max(number, low), high);

/**
 * Draw with mouse, pen or finger.
 * @param {CurveQuestion} question
 * @param {HTMLElement} area
 * @param {(from: Point, to: Point) => void} draw
 * @param {() => void} rest
 */
function byPointer({ y, columns }, area, draw, rest) {
  /** @type {Point | null} */
  let last = null;
  /**
   * @param {MouseEvent} event
   * @returns {Point}
   */
  const place = ({ clientX, clientY }) => {
    const { left, top, width, height } = area.getBoundingClientRect();
    const across = between((clientX - left) / width, 0, 1);
    const up = between(1 - (clientY - top) / height, 0, 1);
    return [across * (columns - 1), y.low + up * (y.high - y.low)];
  };
  /** @param {MouseEvent} event */
  const reach = (event) => {
    const to = place(event);
    draw(last ?? to, to);
    last = to;
  };
  area.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    area.setPointerCapture(event.pointerId);
    last = null;
    reach(event);
  });
  area.addEventListener("pointermove", (event) => {
    if (!area.hasPointerCapture(event.pointerId)) return;
    for (const point of event.getCoalescedEvents?.() ?? [event]) reach(point);
  });
  for (const end of ["pointerup", "pointercancel"])
    area.addEventListener(end, () => {
      last = null;
      rest();
    });
}

/** @type {Record<string, number>} */
const RISES = { ArrowUp: 0.02, ArrowDown: -0.02, PageUp: 0.1, PageDown: -0.1, " ": 0 };

/**
 * Draw with the keyboard, whose cursor is on the plot. What is drawn here goes straight from the
 * drawn place that was left last.
 * @param {CurveQuestion} question
 * @param {Plot} plot
 * @param {() => Heights} heights
 * @param {(from: Point, to: Point) => void} draw
 * @param {() => void} rest
 */
function byKeys(question, { area, picture, path }, heights, draw, rest) {
  const { x, y, columns } = question;
  const cursor = stroke("prune-lab-stroke-cursor");
  const live = element("div", { class: "prune-lab-voice", "aria-live": "polite" });
  const where = element("div", { class: "prune-lab-note prune-lab-plot-spot" });
  picture.append(cursor);
  let at = 0;
  let level = (y.low + y.high) / 2;
  /** @type {number | null} */
  let anchor = null; // a column

  function say() {
    const drawn = heights()[at] === null ? ", not drawn" : "";
    const spot = `${x.label} ${said(placeOf(question, at), x.decimals)}: ${said(level, y.decimals)}${drawn}`;
    write(live, spot);
    write(where, spot);
  }
  function showCursor() {
    level = heights()[at] ?? level;
    cursor.setAttribute("d", path([[[placeOf(question, at), level]]]));
  }
  /** @param {number} to */
  function go(to) {
    if (heights()[at] !== null) anchor = at;
    at = between(to, 0, columns - 1);
    showCursor();
  }
  area.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const along = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: columns - 1 }[event.key];
    const up = RISES[event.key];
    if (along === undefined && up === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (along !== undefined) go(along);
    else {
      level = between(Number((level + up * (y.high - y.low)).toPrecision(12)), y.low, y.high);
      const left = anchor === null ? null : heights()[anchor];
      draw(anchor === null || left === null ? [at, level] : [anchor, left], [at, level]);
    }
    say();
  });
  area.addEventListener("keyup", rest);
  area.addEventListener("blur", () => {
    anchor = null;
    rest();
  });
  return {
    regions: [where, live],
    /** Take up what is drawn now. */
    follow() {
      if (heights().every((height) => height === null)) anchor = null;
      showCursor();
    },
  };
}

/**
 * @param {CurveQuestion} question
 * @param {HTMLElement} body
 * @param {Hand<Heights>} hand
 * @returns {View<Heights>}
 */
function ask(question, body, { move, rest }) {
  const { x, y, columns } = question;
  const plot = axes(question, {
    tabindex: "0",
    role: "application",
    "aria-roledescription": "drawing area",
    "data-lm-suppress-shortcuts": "true",
    "aria-label": `${y.label} against ${x.label}: left and right go along, up and down draw; Page Up and Page Down in large steps, Home and End go to the ends`,
  });
  const line = stroke("prune-lab-stroke-guess");
  const hint = element("div", { class: "prune-lab-plot-hint", "aria-hidden": "true" }, "Draw your curve here");
  plot.picture.append(line);
  plot.area.append(hint);

  /** @returns {Heights} */
  const empty = () => Array(columns).fill(null);
  let heights = empty();
  /** @type {(from: Point, to: Point) => void} */
  const draw = (from, to) => {
    drawLine(heights, from, to);
    move([...heights]);
  };
  byPointer(question, plot.area, draw, rest);
  const keys = byKeys(question, plot, () => heights, draw, rest);
  body.append(plot.box, ...keys.regions);

  return {
    set(guess) {
      heights = guess === null ? empty() : [...guess];
      line.setAttribute("d", guessed(question, plot, guess));
      hint.hidden = guess !== null;
      keys.follow();
    },
    words: (guess) =>
      guess === null
        ? "No guess yet: draw with mouse, finger or arrow keys, or go on without one."
        : "This is your guess. Draw over it to change it.",
  };
}

/**
 * @param {CurveQuestion} question
 * @param {HTMLElement} body
 * @param {Point[]} truth
 * @returns {View<Heights>["set"]}
 */
function reveal(question, body, truth) {
  const { x, y } = question;
  const plot = axes(question, { role: "img" });
  const [gap, line, real, dots] = ["gap", "guess", "truth", "dots"].map((kind) => stroke(`prune-lab-stroke-${kind}`));
  plot.picture.append(gap, line, real, dots);
  real.setAttribute("d", plot.path([truth]));
  dots.setAttribute("d", plot.path(truth.map((point) => [point])));
  const marks = element("div");
  body.append(plot.box, marks);
  const [first, last] = [truth[0], truth[truth.length - 1]].map(
    ([a, b]) => `${said(b, y.decimals)} at ${said(a, x.decimals)}`,
  );
  return (guess, apart) => {
    line.setAttribute("d", guessed(question, plot, guess));
    gap.setAttribute(
      "d",
      apart
        ? plot.path([
            [
              [apart[0], apart[1]],
              [apart[0], apart[2]],
            ],
          ])
        : "",
    );
    marks.replaceChildren(
      guess === null ? legend(["truth", "the truth"]) : legend(["guess", "your guess"], ["truth", "the truth"]),
    );
    plot.area.setAttribute(
      "aria-label",
      `${y.label} against ${x.label}, the truth${guess === null ? "" : " over your guess"}: from ${first} to ${last}`,
    );
  };
}

export default guessPanel(ask, reveal);
