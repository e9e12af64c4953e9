import { styleText } from "node:util";

/**
 * Tells the stages of a run: on a terminal one live line, elsewhere one line per finished stage.
 * @param {NodeJS.WriteStream} stream
 */
export function createStages(stream) {
  const live = stream.isTTY === true && process.env["TERM"] !== "dumb";
  const startedAt = performance.now();
  let current = "";

  /** @param {string} text */
  const replace = (text) => {
    if (live) stream.write(`\r\u001b[2K${text.slice(0, (stream.columns || 80) - 1)}`);
  };

  return {
    /**
     * @template T
     * @param {string} name
     * @param {(detail: (text: string) => void) => Promise<{ outcome: string, value: T }>} work
     * @returns {Promise<T>}
     */
    async run(name, work) {
      const from = performance.now();
      current = `  … ${name}`;
      replace(current);
      try {
        const { outcome, value } = await work((text) => replace(`  … ${name.padEnd(16)} ${text}`));
        const seconds = formatSeconds(performance.now() - from).padStart(8);
        const mark = styleText("green", "✓", { stream });
        replace("");
        stream.write(`  ${mark} ${name.padEnd(16)} ${seconds}  ${outcome}\n`);
        return value;
      } catch (error) {
        replace("");
        const mark = styleText("red", "✗", { stream });
        const seconds = formatSeconds(performance.now() - from).padStart(8);
        stream.write(`  ${mark} ${name.padEnd(16)} ${seconds}\n`);
        throw error;
      } finally {
        current = "";
      }
    },
    /** @param {string} text One or more whole lines. */
    say: (text) => {
      replace("");
      stream.write(`${text}\n`);
      if (current !== "") replace(current);
    },
    total: () => formatSeconds(performance.now() - startedAt),
  };
}

/** @param {number} ms */
export function formatSeconds(ms) {
  return `${(ms / 1000).toFixed(ms < 9950 ? 2 : 1)} s`;
}
