// How an amount becomes a count, in Python's own arithmetic: the picture must never show one
// entry more or less than the engine would prune.

const withCommas = new Intl.NumberFormat("en"); // making one takes longer than using it

/** 61706 as "61,706". */
export const grouped = (count) => withCommas.format(count);

/** Python's round(): a tie goes to the even neighbour, so half of 5 units is 2. */
export function roundHalfEven(x) {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

/** How many of `units` (entries, or channels) a fraction prunes. */
export function countOf(fraction, units) {
  return roundHalfEven(fraction * units);
}

/**
 * How many of `units` an amount prunes. It is ["fraction", share] or ["count", number, of]; a count
 * that was chosen of another number of units keeps its share.
 */
export function countFor([kind, number, of], units) {
  if (kind === "fraction") return countOf(number, units);
  return Math.min(of === units ? number : countOf(of ? number / of : 0, units), units);
}

/** The shortest decimal that prunes exactly `count` of `units`: 45 of 150 is 0.3. */
export function fractionOf(count, units) {
  if (units === 0) return 0;
  for (let digits = 1; digits < 17; digits += 1) {
    const fraction = Number((count / units).toFixed(digits));
    if (countOf(fraction, units) === count) return fraction;
  }
  return count / units;
}

/** The fraction as Python writes it. 1 would mean one unit, 1.0 means all of them. */
export function pythonFloat(fraction) {
  return Number.isInteger(fraction) ? fraction.toFixed(1) : String(fraction);
}

/** 1st, 2nd, 3rd, 4th, ... */
export function ordinal(n) {
  const teens = n % 100 >= 11 && n % 100 <= 13;
  const ending = teens ? "th" : { 1: "st", 2: "nd", 3: "rd" }[n % 10] || "th";
  return `${grouped(n)}${ending}`;
}
