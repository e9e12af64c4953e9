import { LocalBuildError } from "./errors.js";

/** How large a template may be; what lies above fails with `ERR_LOCAL_BUILD_TEMPLATE_TOO_LARGE`. */
export interface TemplateLimits {
  /** Bytes of all files together, and of what is received for them. */
  readonly templateBytes: number;
  readonly templateFiles: number;
}

/** Counts files and bytes against {@link TemplateLimits}. */
export class TemplateMeter {
  #files = 0;
  #bytes = 0;
  readonly #limits: TemplateLimits;

  constructor(limits: TemplateLimits) {
    this.#limits = limits;
  }

  get files(): number {
    return this.#files;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(files: number, bytes: number): void {
    this.#files += files;
    this.#bytes += bytes;
    if (this.#files > this.#limits.templateFiles) {
      throw tooLarge(`more than ${this.#limits.templateFiles} files`, "TEMPLATE_FILES");
    }
    if (this.#bytes > this.#limits.templateBytes) {
      throw tooLarge(`more than ${this.#limits.templateBytes} bytes`, "TEMPLATE_MB");
    }
  }
}

function tooLarge(what: string, variable: string): LocalBuildError {
  return new LocalBuildError("ERR_LOCAL_BUILD_TEMPLATE_TOO_LARGE", `The template has ${what}.`, {
    hint: `Remove what the image does not need, or raise MOLECULE_LOCAL_BUILD_${variable}.`,
  });
}
