import type { Readable } from "node:stream";
import type { Header } from "tar-stream";

/** One entry of a tar that is being read; it has to be read, or resumed, before the next comes. */
export type ArchiveEntry = Readable & { readonly header: Header };
