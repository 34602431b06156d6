// Who may change what, for every panel. prune_lab/widgets/dialogue.py is Python's half of it.
//
// The reader's hand owns the controls, Python owns all else that is shown, and messages may take
// any time. Therefore:
//
// - What the reader does wins. A choice lies on top of whatever Python says until Python has
//   answered that very choice. A late message can be older than the reader's hand: what lies
//   beneath changes then, and what the reader sees does not.
// - An answer belongs to a question. Questions are numbered; Python's answer says up to which
//   number it has heard, and how the controls stand then. Only choices that are heard are let go.
// - Nothing comes back as news. A script sets no trait, so that no host can echo an old value
//   over a new one: it sends questions, and Python answers with traits that Python alone sets.
// - Choices and buttons wait in one line. Apply applies what was on the screen when it was pressed.
// - Nothing moves under the pointer: see `keepRoom` in controls.js.
// - An old state is not believed. Python numbers the states that it sends, and a host may show us an
//   older one after a newer one: then we ask for the present one, and the reader keeps what they chose.
// - Without Python nothing is asked: see presence.js. What was chosen stays with us till it is back.
//
// All views of a panel in one page share its dialogue; another page is another asker, and learns
// from Python's answer what was chosen here.

import { Presence } from "./presence.js";

/**
 * What a host gives to a script: anywidget's own contract, and nothing more of any host's.
 * @typedef {object} Model
 * @property {(name: string) => any} get
 * @property {(name: string, value: any) => void} set
 * @property {(event: string, react: (content: any) => void) => void} on
 * @property {(event: string, react: (content: any) => void) => void} off
 * @property {() => void} save_changes
 * @property {(content: object, callbacks?: undefined, buffers?: ArrayBufferView[]) => void} send
 */

/**
 * Where a panel is drawn, and what it talks to.
 * @typedef {{ model: Model, el: HTMLElement, dialogue: Dialogue }} Host
 */

/**
 * Controls and what the reader chose, name by name.
 * @typedef {Record<string, any>} Choices
 * @typedef {{ choices: Choices, press?: string }} Question
 */

const PATIENCE = 400; // milliseconds until an answer that has not come is called late

/** @param {unknown} value */
const isGroup = (value) => value !== null && typeof value === "object" && value.constructor === Object;

/**
 * `over` on top of `under`; the amounts of several layers are as many choices.
 * @param {any} under
 * @param {any} over
 */
const laid = (under, over) => (isGroup(under) && isGroup(over) ? { ...under, ...over } : over);

/**
 * Lay choices over others, name by name.
 * @param {Choices} under
 * @param {Choices} over
 */
function lay(under, over) {
  for (const [name, value] of Object.entries(over)) under[name] = laid(under[name], value);
  return under;
}

/** One panel's questions and answers. */
export class Dialogue {
  /**
   * @param {Model} model
   * @param {string[]} needs  The controls of which nothing can be shown without Python.
   */
  constructor(model, needs = []) {
    this.model = model;
    this.needs = needs;
    this.asker = String(Math.random()).slice(2);
    this.number = 0; // of the last question
    /** @type {(Question & { number: number })[]} */
    this.open = []; // questions without an answer
    /** @type {Choices} */
    this.unsent = {}; // what was chosen since
    this.alone = false; // whether Python was away
    this.eager = false; // whether that goes out with the next answer
    this.late = false; // whether an answer is overdue
    this.timer = 0;
    this.serial = this.serialShown; // of the newest state that Python has sent
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    this.presence = new Presence(model, this.asker, () => this.turn());
    this.takeAnswer = this.takeAnswer.bind(this);
    this.takeSerial = this.takeSerial.bind(this);
    model.on("change:answer", this.takeAnswer);
    model.on("change:_serial", this.takeSerial);
  }

  /** The number of the state that the host shows; a stored one has none. */
  get serialShown() {
    return this.model.get("_serial") ?? 0;
  }

  /** Whether the state that the host shows was not there a moment ago: Python's, not the reader's. */
  get hasJustCome() {
    return this.serialShown !== this.serial;
  }

  takeSerial() {
    if (this.serialShown < this.serial) this.presence.send({ ask: "again" });
    else this.serial = this.serialShown;
  }

  /**
   * A control as the reader sees it: their last choice, or else what Python says.
   * @param {string} name
   */
  get(name) {
    const { controls = {} } = this.model.get("answer");
    let value = name in controls ? controls[name] : this.model.get(name);
    for (const { choices } of [...this.open, { choices: this.unsent }]) {
      if (name in choices) value = laid(value, choices[name]);
    }
    return value;
  }

  /**
   * A control as Python knows it, to which all else that Python shows belongs.
   * @param {string} name
   */
  known(name) {
    return this.model.get("answer").controls[name];
  }

  /**
   * Whether Python has yet to answer: about any of these controls, or about anything at all.
   * @param {string[]} names
   */
  waits(...names) {
    const asked = [...this.open, { choices: this.unsent }];
    if (!names.length) return this.open.length > 0;
    return asked.some(({ choices }) => names.some((name) => name in choices));
  }

  /**
   * Choose, and keep it to ourselves: the hand is still moving. `ask` or a button sends it.
   * @param {Choices} choices
   */
  move(choices) {
    lay(this.unsent, choices);
    this.tell();
  }

  /**
   * Choose, and ask Python.
   * @param {Choices} choices
   */
  choose(choices) {
    if (!this.refuses(choices)) {
      lay(this.unsent, choices);
      this.ask();
    }
    this.tell();
  }

  /**
   * Choose, and ask as often as Python can answer: what is chosen meanwhile goes together.
   * @param {Choices} choices
   */
  follow(choices) {
    if (!this.refuses(choices)) {
      lay(this.unsent, choices);
      if (this.open.length) this.eager = true;
      else this.ask();
    }
    this.tell();
  }

  /**
   * Whether nobody will ever show what was chosen: the page says so, and what stood there stands again.
   * @param {Choices} choices
   */
  refuses(choices) {
    const beyond = this.needs.some((name) => name in choices && choices[name] !== this.known(name));
    const refused = beyond && this.presence.nobody;
    if (refused) this.presence.send({ press: "choose" });
    return refused;
  }

  /**
   * Forget a choice that was not sent.
   * @param {string[]} names
   */
  drop(...names) {
    for (const name of names) delete this.unsent[name];
  }

  /** Whether Python knows of all that was chosen. */
  get settled() {
    return !this.open.length && !Object.keys(this.unsent).length;
  }

  /** Whether there is no Python to ask. */
  get away() {
    return this.presence.away;
  }

  /** Python has gone, or it is back. */
  turn() {
    if (this.away) this.takeBack();
    else if (this.alone) this.ask();
    this.alone = this.away;
    this.tell();
  }

  /** Take back what was asked and will not be answered; what needs no Python stays chosen. */
  takeBack() {
    const asked = this.open.map(({ choices }) => choices);
    this.unsent = [...asked, this.unsent].reduce(lay, {});
    this.drop(...this.needs);
    this.open = [];
    this.late = false;
    clearTimeout(this.timer);
    this.timer = 0;
  }

  /** Send what was chosen. */
  ask() {
    if (!this.away && Object.keys(this.unsent).length) this.send({ choices: this.unsent });
  }

  /**
   * Press one of Python's buttons, for what is on the screen now.
   * @param {string} button
   */
  press(button) {
    if (this.away) return;
    this.ask();
    this.send({ choices: {}, press: button });
    this.tell();
  }

  /** @param {Question} question */
  send(question) {
    this.unsent = {};
    this.eager = false;
    this.number += 1;
    this.open.push({ number: this.number, ...question });
    // Bytes travel beside the message; `bytes` says to which choices they belong.
    const entries = Object.entries(question.choices);
    const bytes = entries.filter(([, value]) => ArrayBuffer.isView(value));
    const choices = Object.fromEntries(entries.filter(([, value]) => !ArrayBuffer.isView(value)));
    const sent = this.presence.send(
      {
        ask: "question",
        from: this.asker,
        number: this.number,
        ...question,
        choices,
        bytes: bytes.map(([name]) => name),
      },
      bytes.map(([, value]) => value),
    );
    if (sent && !this.timer) this.becomeLate();
  }

  becomeLate() {
    this.timer = setTimeout(() => {
      this.late = true;
      this.tell();
    }, PATIENCE);
  }

  takeAnswer() {
    const heard = this.model.get("answer").heard[this.asker] ?? 0;
    const before = this.open.length;
    this.open = this.open.filter(({ number }) => number > heard);
    if (this.open.length < before) {
      clearTimeout(this.timer);
      this.late = false;
      this.timer = 0;
      if (this.open.length) this.becomeLate();
    }
    if (this.eager && !this.open.length) this.ask();
    this.tell();
  }

  /**
   * Call `react` at every choice and every answer; the answer of this function stops that.
   * @param {() => void} react
   */
  on(react) {
    this.listeners.add(react);
    return () => this.listeners.delete(react);
  }

  tell() {
    for (const react of [...this.listeners]) react();
  }

  end() {
    clearTimeout(this.timer);
    this.presence.end();
    this.model.off("change:answer", this.takeAnswer);
    this.model.off("change:_serial", this.takeSerial);
  }
}

/**
 * How a control is written in its letter box, and what a number that is found there means for it, given
 * how the control stands.
 * @typedef {{ plain: (value: any) => number, fit: (number: number, value: any, model: Model) => any }} Box
 */

/**
 * Let other widgets of the page move a control and follow it: ipywidgets' jslink, by the control's name.
 * The host's attribute of that name is a letter box within the page: Python neither reads nor writes it.
 * A number that another widget puts in is the reader's choice, and goes to Python as a question like any
 * other; what the control then is lies in the box. So both sides agree, and no echo can come between.
 * @param {Dialogue} dialogue
 * @param {string} name
 * @param {Box} box
 */
function openBox(dialogue, name, { plain, fit }) {
  const { model } = dialogue;
  let taking = false;
  let saved = plain(dialogue.get(name));
  const give = () => {
    if (taking) return;
    const value = plain(dialogue.get(name));
    if (model.get(name) !== value) model.set(name, value);
    // A host that runs cells when a panel's value changes, as marimo does, hears of it once Python knows it.
    if (value === saved || dialogue.waits(name)) return;
    saved = value;
    model.save_changes();
  };
  const take = () => {
    const [sent, value] = [model.get(name), dialogue.get(name)];
    if (sent === plain(value)) return; // it is our own
    if (dialogue.hasJustCome) return queueMicrotask(give); // a whole state: the box is no part of what Python says
    const fitted = Number.isFinite(sent) ? fit(sent, value, model) : value;
    taking = true;
    if (plain(fitted) !== plain(value)) dialogue.follow({ [name]: fitted });
    taking = false;
    queueMicrotask(give); // a link that is still putting its number in hears of no other
  };
  model.on(`change:${name}`, take);
  const stop = dialogue.on(give);
  give();
  return () => {
    stop();
    model.off(`change:${name}`, take);
  };
}

/**
 * A panel's script as anywidget wants it, with one dialogue for all views of a model. The look of a
 * panel hangs on the class that its element gets here, for a host need not give it any. `boxes` are the
 * controls that can be linked in the browser; of those in `needs` nothing can be shown without Python.
 * @param {(host: Host) => () => void} render
 * @param {Record<string, Box>} boxes
 * @param {string[]} needs
 */
export function panel(render, boxes = {}, needs = []) {
  return () => {
    /** @type {Dialogue} */
    let dialogue;
    return {
      /** @param {{ model: Model }} host */
      initialize({ model }) {
        dialogue = new Dialogue(model, needs);
        const stops = Object.entries(boxes).map(([name, box]) => openBox(dialogue, name, box));
        return () => {
          for (const stop of stops) stop();
          dialogue.end();
        };
      },
      /** @param {{ model: Model, el: HTMLElement }} host */
      render({ model, el }) {
        el.classList.add("prune-lab");
        const { presence } = dialogue;
        presence.knock("shown");
        const stops = [render({ model, el, dialogue }), presence.watch(el)];
        return () => {
          for (const stop of stops) stop();
          presence.send({ ask: "hidden" });
        };
      },
    };
  };
}
