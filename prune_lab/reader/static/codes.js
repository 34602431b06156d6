// Codes: what is in a link, in a picture, or before the camera. Nothing of it is followed or run.

import { decodeQR } from "./vendor/qr-decode.js";

const LARGEST = 2000; // pixels of a picture's longer side that are looked at
const LONGEST = 100_000; // letters of a link

/**
 * The bytes that a link carries behind its "#", base64url.
 * @param {string} fragment
 */
export function payloadOf(fragment) {
  if (fragment.length > LONGEST || !/^[\w-]+={0,2}$/.test(fragment)) throw new Error("this link carries no network");
  const letters = fragment.replaceAll("-", "+").replaceAll("_", "/");
  try {
    return Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
  } catch {
    throw new Error("this link was cut or altered");
  }
}

/**
 * The payload of the code in these pixels; null where none can be read.
 * @param {ImageData} pixels
 */
export function decoded(pixels) {
  /** @type {string} */
  let letters;
  try {
    // Bytes as letters of the same numbers: the decoder gives a text.
    letters = decodeQR(pixels, {
      textDecoder: (/** @type {Uint8Array} */ bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""),
    });
  } catch {
    return null;
  }
  const link = /^https?:[^#]*#([\w-]+={0,2})$/.exec(letters); // a link of this page's
  return link ? payloadOf(link[1]) : Uint8Array.from(letters, (letter) => letter.charCodeAt(0) & 255);
}

/**
 * What there is to see, at most LARGEST pixels long.
 * @param {CanvasImageSource} source
 * @param {number} width
 * @param {number} height
 */
function pixelsOf(source, width, height) {
  const scale = Math.min(1, LARGEST / Math.max(width, height));
  const [across, down] = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
  const context = new OffscreenCanvas(across, down).getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("this browser gives no room to look at pictures");
  context.fillStyle = "white"; // behind what is transparent
  context.fillRect(0, 0, across, down);
  context.drawImage(source, 0, 0, across, down);
  return context.getImageData(0, 0, across, down);
}

/**
 * The payload of the code in a picture. Throws an Error, one sentence.
 * @param {Blob} file
 */
export async function payloadIn(file) {
  const picture = await createImageBitmap(file).catch(() => {
    throw new Error("this file is no picture that the browser can show");
  });
  const payload = decoded(pixelsOf(picture, picture.width, picture.height));
  picture.close();
  if (!payload)
    throw new Error("no QR code can be read in this picture; let the code fill most of it, seen from above");
  return payload;
}

/**
 * Look through the camera until a code is seen. Ends with null when `signal` says so, and throws an Error, one
 * sentence, where there is no camera.
 * @param {HTMLVideoElement} video
 * @param {AbortSignal} signal
 */
export async function payloadSeen(video, signal) {
  const wanted = { video: { facingMode: "environment", width: { ideal: 1280 } } };
  const devices = navigator.mediaDevices; // there is none in a page from an open line
  const stream = await devices?.getUserMedia(wanted).catch(() => undefined);
  if (!stream) throw new Error("there is no camera here, or the browser may not use it");
  try {
    video.srcObject = stream;
    await video.play();
    while (!signal.aborted) {
      const payload = video.videoWidth ? decoded(pixelsOf(video, video.videoWidth, video.videoHeight)) : null;
      if (payload) return payload;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return null;
  } finally {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  }
}
