import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { truncatedError } from "../errors.js";
import type { CallScope } from "./call-scope.js";

/**
 * The body of an answer as a stream that fails properly: a connection that breaks off is
 * `ERR_ENGINE_TRUNCATED`, an abort is the caller's reason, and destroying it ends the call.
 */
export class AnswerBody extends Readable {
  readonly #source: IncomingMessage;
  readonly #scope: CallScope;

  constructor(source: IncomingMessage, scope: CallScope, subject: string) {
    super();
    this.#source = source;
    this.#scope = scope;
    // Opened and not read yet, it may fail before anybody listens; readers get the error all the same.
    this.on("error", () => undefined);
    scope.onAbort((reason) => this.destroy(reason));
    source.on("data", (chunk: Buffer) => {
      scope.progress();
      if (!this.push(chunk)) source.pause();
    });
    source.on("end", () => {
      if (source.complete) this.push(null);
      else this.destroy(truncatedError(subject, BROKE_OFF));
    });
    source.on("error", (cause) => {
      this.destroy(truncatedError(subject, BROKE_OFF, cause));
    });
    source.on("close", () => {
      if (!source.readableEnded) this.destroy(truncatedError(subject, BROKE_OFF));
    });
    source.pause();
  }

  override _read(): void {
    this.#source.resume();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#scope[Symbol.dispose]();
    if (!this.#source.readableEnded) this.#source.destroy();
    callback(error);
  }
}

const BROKE_OFF = "the connection broke off inside the engine's answer";
