// Questions to a worker: never more than one is on its way, and the last state is always answered. What nobody waits
// for goes beside: it is asked when nothing else is, and the next question breaks it off.

/**
 * A worker, and the one who asks it. `script` is the worker's script with its parts as one text
 * (`prune_lab.widgets.frontend.script`), because a page from a disk has no address beside it. A content policy must
 * let `worker-src` (or `script-src`) have `blob:`, and nothing else for this.
 * @template {object} Question
 * @template {object} Answer
 * @param {string} script
 * @param {(answer: Answer | { failed: string }) => void} heard  `failed` is one sentence.
 * @param {(earlier: Question, later: Question) => Question} join  Of two questions that wait, what is asked.
 */
export function asking(script, heard, join) {
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const worker = new Worker(address);
  URL.revokeObjectURL(address);
  /** @type {Question | null} */
  let waiting = null;
  let asked = false;
  let beside = false; // whether the worker is at something that nobody waits for
  const next = () => {
    asked = waiting !== null;
    if (asked) {
      worker.postMessage(waiting);
      beside = false; // broken off: see worker.js
    }
    waiting = null;
  };
  worker.onmessage = ({ data }) => {
    if (data.beside) beside = false;
    heard(data);
    if (!data.beside) next();
  };
  worker.onerror = ({ message }) => heard({ failed: `the network cannot run here: ${message}` });
  return {
    /** @param {Question} question */
    ask(question) {
      waiting = waiting === null ? question : join(waiting, question);
      if (!asked) next();
    },
    /**
     * Ask what can wait, unless something is on its way. The worker's answer says `beside`, too.
     * @param {Question} question
     */
    askBeside(question) {
      if (asked || beside) return;
      beside = true;
      worker.postMessage({ ...question, beside });
    },
    stop: () => worker.terminate(),
  };
}
