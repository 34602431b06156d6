// Questions to a worker: never more than one is on its way, and the last state is always answered.

/**
 * A worker, and the one who asks it. `script` is the worker's script with its parts as one text
 * (`prune_lab.widgets.frontend.script`), because a page from a disk has no address beside it. A content policy must
 * let `worker-src` (or `script-src`) have `blob:`, and nothing else for this.
 * @template Question, Answer
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
  const next = () => {
    asked = waiting !== null;
    if (asked) worker.postMessage(waiting);
    waiting = null;
  };
  worker.onmessage = ({ data }) => {
    heard(data);
    next();
  };
  worker.onerror = ({ message }) => heard({ failed: `the network cannot run here: ${message}` });
  return {
    /** @param {Question} question */
    ask(question) {
      waiting = waiting === null ? question : join(waiting, question);
      if (!asked) next();
    },
    stop: () => worker.terminate(),
  };
}
