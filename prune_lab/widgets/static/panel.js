// What every widget's panel needs: elements, the theme's colours, the clipboard, a quiet voice.

/** Make an element. Text goes in as text, never as HTML: names come from users' models. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Write an element's text where it is another: the browser lays out anew whatever is written. */
export function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** The numbers of a binary trait, copied, for its bytes need not start at a multiple of four. */
export function numbers(bytes, Type) {
  const start = bytes.byteOffset;
  return new Type(bytes.buffer.slice(start, start + bytes.byteLength));
}

/** Call `react` when one of these traits of Python's changes; the answer stops that. */
export function listen(model, names, react) {
  for (const name of names) model.on(`change:${name}`, react);
  return () => { for (const name of names) model.off(`change:${name}`, react); };
}

/** "#2166ac" as [33, 102, 172]. */
export function rgb(hex) {
  return [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
}

/** The colours that the style sheet works out for this theme, as a canvas can use them. */
export function themeColours(panel) {
  const own = getComputedStyle(panel);
  // As they are worked out here: a canvas off the page would mix `Canvas` as if all were light.
  const named = (name) => {
    const probe = element("span", { style: `color: var(--pl-${name})` });
    panel.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  };
  return {
    ink: own.color,
    panel: own.backgroundColor,
    font: own.fontFamily,
    ...Object.fromEntries(["soft", "grey", "pruned", "hatch", "accent", "line", "well"].map((name) => [name, named(name)])),
  };
}

/** Call `redraw` when the front end changes its theme; the answer stops that. */
export function onThemeChange(panel, redraw) {
  // Every front end switches in its own way. Most mark <html> or <body>; and always the text's
  // colour changes: the style sheet gives it a transition of a millisecond, whose end (or
  // cancellation, when one change overtakes another) the browser reports.
  const changed = (event) => {
    if (event.target === panel && event.propertyName === "color") redraw();
  };
  const events = ["transitionend", "transitioncancel"];
  for (const name of events) panel.addEventListener(name, changed);
  const marks = new MutationObserver(redraw);
  for (const root of [document.documentElement, document.body]) {
    marks.observe(root, { attributeFilter: ["class", "style", "data-jp-theme-light", "data-theme"] });
  }
  return () => {
    for (const name of events) panel.removeEventListener(name, changed);
    marks.disconnect();
  };
}

/** A line for screen readers, spoken when things have been quiet for half a second. */
export function quietVoice() {
  const region = element("div", { class: "prune-lab-voice", "aria-live": "polite" });
  let timer = 0;
  return {
    region,
    say(text) {
      clearTimeout(timer);
      timer = setTimeout(() => { region.textContent = text; }, 500);
    },
    stop: () => clearTimeout(timer),
  };
}

/** A line of code and a button that copies it. */
export function codeLine() {
  const code = element("code", { tabindex: "0", "aria-label": "The call that does the same" });
  const button = element("button", { type: "button", class: "prune-lab-button" }, "Copy");
  let timer = 0;
  button.addEventListener("click", async () => {
    button.textContent = (await copy(code)) ? "Copied" : "Press Ctrl+C";
    clearTimeout(timer);
    timer = setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  return { code, button, stop: () => clearTimeout(timer) };
}

/** Copy an element's text; without leave to do so, select it for the reader to copy. */
async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(source);
    return document.execCommand("copy");
  }
}
