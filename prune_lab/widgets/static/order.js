// Entries and the positions at which they go: how many are pruned, and what an entry is called.

/**
 * Python's round(): a tie goes to the even neighbour, so half of 5 units is 2.
 * @param {number} x
 */
export function roundHalfEven(x) {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

/**
 * How many of `units` (entries, or channels) a fraction prunes.
 * @param {number} fraction
 * @param {number} units
 */
export function countOf(fraction, units) {
  return roundHalfEven(fraction * units);
}

/**
 * How many of the sorted positions are smaller than `count`.
 * @param {Int32Array} sorted
 * @param {number} count
 */
export function below(sorted, count) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < count) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The last of the rising counts that is not above `count`: which of them it is.
 * @param {ArrayLike<number>} counts
 * @param {number} count
 */
export function stepAt(counts, count) {
  let [low, high] = [0, counts.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (counts[middle] <= count) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * How many entries of a layer are pruned at `count`, from its numbers at equal steps of it.
 * @param {number[]} steps
 * @param {number} count
 * @param {number} units
 */
export function prunedAt(steps, count, units) {
  const place = units ? (count / units) * (steps.length - 1) : 0;
  const from = Math.min(Math.floor(place), steps.length - 1);
  const to = Math.min(from + 1, steps.length - 1);
  return steps[from] + (steps[to] - steps[from]) * (place - from);
}

/**
 * "weight[1, 0, 2, 3]": a flat index as torch writes it.
 * @param {string} name
 * @param {number} flat
 * @param {number[]} shape
 */
export function indexed(name, flat, shape) {
  /** @type {number[]} */
  const places = [];
  let rest = flat;
  for (let dim = shape.length - 1; dim >= 0; dim -= 1) {
    places.unshift(rest % shape[dim]);
    rest = Math.floor(rest / shape[dim]);
  }
  return { places, text: `${name}[${places.join(", ")}]` };
}
