import { messageOf } from "./process.mjs";

/**
 * What to take back when a run does not reach its end, newest first. A step that fails is told and
 * does not keep the others from running.
 * @param {(text: string) => void} say
 */
export function createUndo(say) {
  /** @type {{ what: string, back: () => unknown }[]} */
  let steps = [];
  return {
    /**
     * @param {string} what Said when it was undone.
     * @param {() => unknown} back
     */
    add(what, back) {
      steps.push({ what, back });
    },
    /** Everything so far is meant to stay. */
    keep() {
      steps = [];
    },
    async run() {
      for (const { what, back } of steps.splice(0).reverse()) {
        try {
          await back();
          say(`undone: ${what}`);
        } catch (error) {
          say(`could not undo: ${what}: ${messageOf(error)}`);
        }
      }
    },
  };
}
