import type { Readable } from "node:stream";
import type { CallOptions, LoadedImages } from "../engine.js";
import { protocolError } from "../errors.js";
import { readProgressStream } from "../json-stream.js";
import type { TransferContext } from "./pull.js";
import type { Transport } from "./transport.js";

// The engine says nothing while it packs large layers.
const LONGEST_SILENCE_MS = 10 * 60_000;

export async function saveImages(
  transport: Transport,
  refs: readonly string[],
  options: CallOptions | undefined,
): Promise<Readable> {
  const names = new URLSearchParams(refs.map((ref): [string, string] => ["names", ref]));
  const { body } = await transport.open({
    method: "GET",
    path: `/images/get?${names.toString()}`,
    subject: `Save ${refs.join(", ")}`,
    signal: options?.signal,
    timeoutMs: LONGEST_SILENCE_MS,
  });
  return body;
}

export async function loadImages(
  { transport, redactor }: TransferContext,
  archive: Readable,
  options: CallOptions | undefined,
): Promise<LoadedImages> {
  const subject = "Load images";
  const { body } = await transport.open({
    method: "POST",
    path: "/images/load",
    query: { quiet: "1" },
    body: archive,
    subject,
    signal: options?.signal,
    // Silent while the archive is on its way.
    timeoutMs: null,
  });
  const references: string[] = [];
  const ids: string[] = [];
  for await (const { stream } of readProgressStream(body, { subject, redactor })) {
    if (typeof stream !== "string") continue;
    // There is no other form in which the engine says it.
    const [, kind, name] = /^Loaded image( ID)?: (\S{1,512})\n?$/.exec(stream) ?? [];
    if (name !== undefined) (kind === undefined ? references : ids).push(name);
  }
  if (references.length === 0 && ids.length === 0) {
    throw protocolError(subject, "the engine did not say what it loaded");
  }
  return { references, ids };
}
