// The worker behind `measuring`: it has a network and pictures, and answers each question.

import { measurer } from "./measure.js";

/** @type {ReturnType<typeof measurer> | null} */
let made = null;

/** @param {{ data: { listing?: any, digits?: any, masks: any } }} message */
self.onmessage = ({ data: { listing, digits, masks } }) => {
  try {
    if (listing) made = measurer(listing, digits);
    self.postMessage(made ? made.measure(masks) : { failed: "there is no network" });
  } catch (error) {
    self.postMessage({ failed: /** @type {Error} */ (error).message });
  }
};
