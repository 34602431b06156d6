// Whether there is Python behind a panel. A panel may be a stored one, shown before its cell has run;
// its kernel may restart, end, or be busy. Then it says so, and offers nothing that needs Python:
//
// - A panel knocks when it is shown, and when the hand comes to it; Python answers each knock.
// - A panel that Python has just sent is given more time for the first answer than a stored one: Python may be
//   far away, or busy, and nothing may be taken from the hand meanwhile.
// - A message that cannot be sent says that Python has gone.
// - Jupyter marks the element of a panel that it has cut off.

/** @import { Model } from "./dialogue.js" */

const PATIENCE = 400; // milliseconds until an answer that has not come is called late
const FIRST_PATIENCE = 5000; // the same, for the first one from a Python that has sent the panel
const CUT_OFF = "jupyter-widgets-disconnected";

/** What a panel knows of its Python. */
export class Presence {
  /**
   * @param {Model} model
   * @param {string} asker  This page.
   * @param {() => void} changed
   */
  constructor(model, asker, changed) {
    this.model = model;
    this.asker = asker;
    this.changed = changed;
    this.met = false; // whether Python has ever answered this page
    this.silent = false; // whether the answer to a knock is overdue
    this.gone = false; // whether there is nobody who could answer
    this.nobody = false; // whether there never will be, in a page that says so itself
    this.timer = 0;
    this.hear = this.hear.bind(this);
    model.on("msg:custom", this.hear);
  }

  /** Whether there is nothing that Python could do for the reader now. */
  get away() {
    return this.gone || (this.silent && !this.met);
  }

  /** A sentence for the panel, "" while Python is there. */
  get words() {
    if (this.away) {
      return this.met
        ? "The kernel has gone. Run this panel's cell again."
        : "There is no Python behind this panel yet. Run its cell: then all of it works.";
    }
    return this.silent ? "Python has not answered yet: it is busy, or it has gone." : "";
  }

  /**
   * Send a message; whether it could be sent.
   * @param {object} content
   * @param {ArrayBufferView[]} [buffers]
   */
  send(content, buffers) {
    try {
      this.model.send(content, undefined, buffers);
      return true;
    } catch {
      this.turn({ gone: true });
      return false;
    }
  }

  /**
   * Ask whether Python is there; the hand may come and go more often than Python can answer.
   * @param {"shown" | "here"} ask
   */
  knock(ask = "here") {
    if (ask === "here" && (this.timer || this.away)) return;
    const overdue = () => {
      this.turn({ silent: true });
    };
    const sentByPython = this.model.get("_serial") > 0; // a stored panel's state has no number
    const patience = sentByPython && !this.met ? FIRST_PATIENCE : PATIENCE;
    this.timer ||= setTimeout(overdue, patience); // a page without a kernel answers at once
    this.send({ ask, from: this.asker });
  }

  /** @param {{ here?: string, nobody?: boolean }} content */
  hear({ here, nobody = false } = {}) {
    if (here !== this.asker) return;
    this.nobody = nobody;
    clearTimeout(this.timer);
    this.timer = 0;
    this.met = true;
    this.turn({ silent: false, gone: false });
  }

  /** @param {{ silent?: boolean, gone?: boolean }} now */
  turn({ silent = this.silent, gone = this.gone }) {
    if (silent === this.silent && gone === this.gone) return;
    Object.assign(this, { silent, gone });
    this.changed();
  }

  /**
   * Follow the mark of a host that cuts a panel off, and the hand; the answer ends that.
   * @param {HTMLElement} el
   */
  watch(el) {
    const look = () => {
      const cut = el.classList.contains(CUT_OFF);
      if (!cut && this.gone) this.knock("here");
      if (cut) this.turn({ gone: true });
    };
    const knock = () => this.knock();
    const mark = new MutationObserver(look);
    mark.observe(el, { attributeFilter: ["class"] });
    const signs = ["pointerenter", "focusin"];
    for (const sign of signs) el.addEventListener(sign, knock);
    look();
    return () => {
      mark.disconnect();
      for (const sign of signs) el.removeEventListener(sign, knock);
    };
  }

  end() {
    clearTimeout(this.timer);
    this.model.off("msg:custom", this.hear);
  }
}
