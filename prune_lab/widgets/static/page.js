// Widgets in a page where there is no kernel: anywidget's part of the front end, as far as a
// widget's script uses it. What a page of one widget shows comes with it; nothing is loaded.

const NO_KERNEL = "This page has no Python behind it. Open the notebook to do that.";

/** The state of a widget: what its script reads, sets and listens to. */
export class Model {
  /** @param {Record<string, any>} state */
  constructor(state) {
    this.state = state;
    /** @type {[event: string, react: (content?: object) => void][]} */
    this.heard = []; // in the order of `on`
  }

  /** @param {string} name */
  get(name) {
    return this.state[name];
  }

  /**
   * @param {string} name
   * @param {any} value
   */
  set(name, value) {
    if (this.state[name] === value) return;
    this.state[name] = value;
    this.tell(`change:${name}`);
  }

  /**
   * @param {string} happened
   * @param {object} [content]
   */
  tell(happened, content) {
    for (const [event, react] of [...this.heard]) if (event === happened) react(content);
  }

  /**
   * @param {string} event
   * @param {(content?: object) => void} react
   */
  on(event, react) {
    this.heard.push([event, react]);
  }

  /**
   * @param {string} event
   * @param {(content?: object) => void} react
   */
  off(event, react) {
    this.heard = this.heard.filter(([heard, of]) => !(heard === event && of === react));
  }

  save_changes() {} // there is nobody to tell

  /**
   * What needs Python is answered so; choices are kept by the panel itself.
   * @param {{ ask?: string, from?: string, press?: string }} question
   */
  send(question) {
    if (question.ask === "shown" || question.ask === "here")
      this.tell("msg:custom", { here: question.from, nobody: true });
    if (!("press" in question && question.press)) return;
    this.set("failed", false);
    this.set("message", NO_KERNEL);
  }
}

/**
 * The bytes of a binary trait, as the Jupyter protocol hands them over.
 * @param {string} base64
 */
export function bytesOf(base64) {
  return new DataView(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer);
}

/**
 * What is saved of a widget; `bytes` are its binary traits in base64.
 * @typedef {{ classes: string[], state: Record<string, any>, bytes: Record<string, string> }} Saved
 */

/**
 * Show a widget in an element of the page, which is laid out already.
 * @param {HTMLElement} el
 * @param {() => any} make  What the widget's script exports.
 * @param {Saved} saved
 */
export async function show(el, make, { classes, state, bytes }) {
  for (const [name, base64] of Object.entries(bytes)) state[name] = bytesOf(base64);
  const model = new Model(state);
  const widget = make();
  await widget.initialize?.({ model });
  el.classList.add(...classes);
  await widget.render({ model, el });
  return model;
}

/**
 * Put the widget into a page of its own.
 * @param {Saved & { script: string, style: string }} saved
 */
export async function open({ script, style, ...saved }) {
  const sheet = document.createElement("style");
  sheet.textContent = style;
  document.head.append(sheet);
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const { default: make } = await import(address);
  URL.revokeObjectURL(address);
  const el = document.createElement("div");
  document.body.append(el);
  await show(el, make, saved);
}
