// Curves of accuracy against amount on a canvas: both from 0 to 1, and a dot on each curve where
// the sliders stand. All lengths are device pixels.

const MARGIN = { left: 42, right: 14, top: 8, bottom: 22 }; // CSS pixels
const NO_MIDDLE = 320; // CSS pixels; in a narrower picture "50 %" would run into "100 % pruned"
// Seen apart in light and dark, also by the colour-blind; the dashes tell them apart in print.
const PENS = [
  { colour: "#1f7ad1", dash: [] },
  { colour: "#c8690a", dash: [7, 3] },
  { colour: "#2f8f4e", dash: [2, 3] },
  { colour: "#b04fc2", dash: [9, 3, 2, 3] },
  { colour: "#c23b3b", dash: [4, 2] },
  { colour: "#0f8f94", dash: [12, 3] },
];

/** How the curve of this number is drawn; a legend uses the same pen. */
export const pen = (number) => PENS[number % PENS.length];

/** A short piece of a curve, for a legend. */
export function swatch(number) {
  const { colour, dash } = pen(number);
  const [picture, stroke] = ["svg", "line"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  const set = (made, attributes) => Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
  set(picture, { width: 26, height: 10, "aria-hidden": "true" });
  set(stroke, { x1: 0, x2: 26, y1: 5, y2: 5, stroke: colour, "stroke-width": 3, "stroke-dasharray": dash.join(" ") });
  picture.append(stroke);
  return picture;
}

/** The height of a curve at `x`, between its measured points on a straight line; null outside. */
export function heightAt(points, x) {
  for (let i = 0; i < points.length; i += 1) {
    const [x1, y1] = points[i];
    if (x1 === x) return y1;
    if (x1 > x) {
      if (i === 0) return null;
      const [x0, y0] = points[i - 1];
      return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
    }
  }
  return null;
}

/** Where in the canvas the point (x, y) of the plane is. */
export function placeOf(x, y, width, height, dpr) {
  const { left, right, top, bottom } = MARGIN;
  return [
    left * dpr + x * (width - (left + right) * dpr),
    top * dpr + (1 - y) * (height - (top + bottom) * dpr),
  ];
}

/** The amount under a pointer, `x` CSS pixels from the left of a canvas `width` of them wide. */
export function amountAt(x, width) {
  return (x - MARGIN.left) / (width - MARGIN.left - MARGIN.right);
}

/**
 * Draw `curves` (each `{ points: [[amount, accuracy], ...], at, mark }`) on `canvas`, of
 * `width` x `height` CSS pixels. `at` is the amount where the dot goes, left out for none; `mark`
 * the accuracy there, if it is known better than the line between two points knows it. A curve
 * that is `faint` stays in the background.
 */
export function drawCurves(canvas, curves, width, height, dpr, colours) {
  const size = [Math.round(width * dpr), Math.round(height * dpr)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  const place = (x, y) => placeOf(x, y, ...size, dpr);
  context.clearRect(0, 0, ...size);

  context.font = `${Math.round(11 * dpr)}px ${colours.font}`;
  context.fillStyle = colours.soft;
  context.strokeStyle = colours.line;
  context.lineWidth = dpr;
  context.setLineDash([]);
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const y of [0, 0.5, 1]) {
    const [x0, yy] = place(0, y);
    const [x1] = place(1, y);
    line(context, [[x0, yy], [x1, yy]]);
    context.fillText(`${100 * y} %`, x0 - 4 * dpr, yy);
  }
  context.textBaseline = "alphabetic";
  const foot = size[1] - 6 * dpr;
  for (const [x, text, align] of [[0, "0 %", "left"], [0.5, "50 %", "center"], [1, "100 % pruned", "right"]]) {
    if (align === "center" && width < NO_MIDDLE) continue;
    context.textAlign = align;
    context.fillText(text, place(x, 0)[0], foot);
  }

  const behind = curves.map((_, number) => number).sort((a, b) => Boolean(curves[b].faint) - Boolean(curves[a].faint));
  for (const number of behind) {
    const { points, at, mark, faint } = curves[number];
    const { colour, dash } = pen(number);
    context.globalAlpha = faint ? 0.35 : 1;
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = 2 * dpr;
    context.setLineDash(dash.map((length) => length * dpr));
    line(context, points.map(([x, y]) => place(x, y)));
    context.setLineDash([]);
    const y = at === undefined ? null : mark ?? heightAt(points, at);
    if (y !== null) {
      context.beginPath();
      context.arc(...place(at, y), 5 * dpr, 0, 2 * Math.PI);
      context.fill();
      context.strokeStyle = colours.panel;
      context.stroke();
    }
  }
  context.globalAlpha = 1;
}

function line(context, places) {
  context.beginPath();
  places.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.stroke();
}
