import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { CliError } from "../errors.js";

/** Reads a file named on the command line, refusing more than `maxBytes`. */
export async function readNamedFile(request: {
  readonly option: string;
  readonly path: string;
  readonly cwd: string;
  readonly maxBytes: number;
}): Promise<Buffer> {
  const path = resolve(request.cwd, request.path);
  try {
    await using file = await open(path, "r");
    // One byte more than allowed: whatever the file claims its size to be, this is what is read.
    const buffer = Buffer.alloc(request.maxBytes + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length <= request.maxBytes) return Buffer.from(buffer.subarray(0, length));
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? "unknown";
    throw new CliError(
      "ERR_CLI_FILE_UNREADABLE",
      `${request.option}: ${path} cannot be read (${reason})`,
      { hint: "Give the path of a file you may read.", details: { path, reason }, cause },
    );
  }
  throw new CliError(
    "ERR_CLI_FILE_TOO_LARGE",
    `${request.option}: ${path} is larger than ${request.maxBytes} bytes`,
    { hint: "Give a smaller file, or put the data into the workspace with cp.", details: { path } },
  );
}
