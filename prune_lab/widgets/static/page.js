// One widget in a page of its own, where there is no kernel: anywidget's part of the front end,
// as far as a widget's script uses it. What the page shows comes with it; nothing is loaded.

const NO_KERNEL = "This page has no Python behind it. Open the notebook to do that.";

/** The state of a widget: what its script reads, sets and listens to. */
export class Model {
  constructor(state) {
    this.state = state;
    this.heard = []; // [event, react], in the order of `on`
  }

  get(name) {
    return this.state[name];
  }

  /** Set one trait, or several at once; then each that has changed is announced. */
  set(name, value) {
    const changes = typeof name === "string" ? { [name]: value } : name;
    const changed = Object.keys(changes).filter((key) => this.state[key] !== changes[key]);
    Object.assign(this.state, changes);
    for (const key of changed) this.tell(`change:${key}`);
    if (changed.length) this.tell("change");
  }

  on(events, react) {
    for (const event of events.split(" ")) this.heard.push([event, react]);
  }

  off(events, react) {
    const off = events.split(" ");
    this.heard = this.heard.filter(([event, of]) => !(off.includes(event) && of === react));
  }

  tell(event) {
    for (const [heard, react] of [...this.heard]) if (heard === event) react();
  }

  save_changes() {} // there is nobody to tell

  /** A button that needs Python says so; that a view has come or gone needs no answer. */
  send({ ask }) {
    if (!["shown", "hidden"].includes(ask)) this.set({ message: NO_KERNEL, failed: false });
  }
}

/** The bytes of a binary trait, as the Jupyter protocol hands them over. */
export function bytesOf(base64) {
  return new DataView(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer);
}

/** Put the widget into the page. `bytes` are its binary traits in base64. */
export async function open({ script, style, classes, state, bytes }) {
  const sheet = document.createElement("style");
  sheet.textContent = style;
  document.head.append(sheet);
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const { default: widget } = await import(address);
  URL.revokeObjectURL(address);
  for (const [name, base64] of Object.entries(bytes)) state[name] = bytesOf(base64);
  const model = new Model(state);
  await widget.initialize?.({ model });
  const el = document.createElement("div");
  el.classList.add(...classes);
  document.body.append(el);
  await widget.render({ model, el });
}
