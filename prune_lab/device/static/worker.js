// The worker behind `measuring`: it has a network and pictures, and answers each question. What is asked beside gives
// way to the next question, within eight pictures, and is forgotten then.

import { measurer } from "./measure.js";
import { digitsIn, networkIn, ordersIn } from "./parcels.js";

/** @import { Measured } from "./measure.js" */
/** @import { Question } from "./measuring.js" */
/** @import { Parcels } from "./parcels.js" */

/** @type {(ReturnType<typeof measurer> & { dense: Measured }) | null} */
let made = null;
let heard = 0; // questions

const { port1, port2 } = new MessageChannel();

/** Let a message in that has come meanwhile. */
const turn = () =>
  new Promise((go) => {
    port1.onmessage = go;
    port2.postMessage(null);
  });

/** @param {Parcels} parcels */
async function begin({ network: packed, digits, orders }) {
  const network = await networkIn(packed);
  const found = measurer(network, await digitsIn(digits));
  for (const group of orders ? await ordersIn(orders, network) : []) found.rank(group.orders);
  return { ...found, dense: found.measure({}) };
}

/** @param {{ data: Question }} message */
self.onmessage = async ({ data: { parcels, orders, counts, key, beside } }) => {
  heard += 1;
  const number = heard;
  try {
    if (parcels) made = await begin(parcels);
    if (!made) throw new Error("there is no network");
    if (beside) {
      const found = await made.measureBeside(counts, () => turn().then(() => heard === number));
      if (found) self.postMessage({ ...found, counts, beside });
      return;
    }
    made.rank(orders);
    self.postMessage({ ...made.measure(counts), dense: made.dense, key });
  } catch (error) {
    self.postMessage({ failed: /** @type {Error} */ (error).message });
  }
};
