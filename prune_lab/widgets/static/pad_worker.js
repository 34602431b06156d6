// The worker behind DigitPad where the browser has its network: it answers each question.

import { twoNetworks } from "./two_networks.js";

/** @import { Question } from "./pad_in_browser.js" */

/** @type {Awaited<ReturnType<typeof twoNetworks>> | null} */
let made = null;

/** @param {{ data: Question }} message */
self.onmessage = async ({ data: { parcels, amount, drawn, wish, key } }) => {
  try {
    if (parcels) made = await twoNetworks(parcels);
    if (!made) throw new Error("there is no network");
    made.prune(amount);
    self.postMessage({ ...made.read(drawn), key, digit: wish && made[wish.what](wish.after) });
  } catch (error) {
    self.postMessage({ failed: /** @type {Error} */ (error).message });
  }
};
