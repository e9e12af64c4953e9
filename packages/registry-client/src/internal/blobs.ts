import { Readable } from "node:stream";
import type { BlobSource, RegistryClient } from "../client.js";
import { checkDigest } from "../digest.js";
import {
  invalidAnswer,
  isRegistryError,
  RegistryError,
  wrongDigest,
  type RegistryErrorCode,
} from "../errors.js";
import type { ResolvedRegistryClientOptions } from "../options.js";
import { repositoryScope } from "../scope.js";
import type { Exchange } from "./exchange.js";
import type { Answer } from "./http.js";
import { readBody } from "./read-body.js";
import { headerOf } from "./refusal.js";
import { parseRepository, type RegistryAddress } from "./registry-address.js";
import { verifiedChunks, verifiedStream } from "./verified-stream.js";

const MAX_ANSWER_BYTES = 64 * 1024;
const CANCEL_TIMEOUT_MS = 5000;

/** What refuses a mount need not refuse an upload. */
const NO_MOUNT: ReadonlySet<RegistryErrorCode> = new Set([
  "ERR_REGISTRY_UNAUTHORIZED",
  "ERR_REGISTRY_FORBIDDEN",
  "ERR_REGISTRY_NOT_FOUND",
  "ERR_REGISTRY_UNSUPPORTED",
]);

export type Blobs = Pick<RegistryClient, "hasBlob" | "blob" | "pushBlob" | "mountBlob">;

type Parts = ReturnType<typeof parseRepository>;

export function createBlobs(exchange: Exchange, options: ResolvedRegistryClientOptions): Blobs {
  const has = async (
    { domain, path }: Parts,
    digest: string,
    signal: AbortSignal | undefined,
  ): Promise<boolean> => {
    const { value } = await exchange.ask(
      {
        host: domain,
        method: "HEAD",
        target: `/v2/${path}/blobs/${digest}`,
        scopes: [repositoryScope(path, "pull")],
        subject: `blob ${path}@${digest}`,
        expect: [200, 404],
        isRepeatable: true,
        signal,
      },
      async (answer, progress) => {
        await readBody(answer.body, MAX_ANSWER_BYTES, progress);
        return answer.statusCode === 200;
      },
    );
    return value;
  };

  /** Begins an upload, or mounts: undefined when the registry had nothing left to be sent. */
  const begin = async (
    { domain, path }: Parts,
    mount: { readonly digest: string; readonly from: string } | undefined,
    signal: AbortSignal | undefined,
  ): Promise<URL | undefined> => {
    const subject =
      mount === undefined ? `upload to ${path}` : `mount ${mount.digest} into ${path}`;
    const query =
      mount === undefined
        ? ""
        : `?${new URLSearchParams({ mount: mount.digest, from: mount.from }).toString()}`;
    const { value } = await exchange.ask(
      {
        host: domain,
        method: "POST",
        target: `/v2/${path}/blobs/uploads/${query}`,
        scopes: [
          repositoryScope(path, "pull", "push"),
          ...(mount === undefined ? [] : [repositoryScope(mount.from, "pull")]),
        ],
        subject,
        headers: { "content-length": "0" },
        expect: mount === undefined ? [202] : [201, 202],
        // An upload that was begun twice is forgotten by the registry.
        isRepeatable: true,
        signal,
      },
      async (answer, progress) => {
        await readBody(answer.body, MAX_ANSWER_BYTES, progress);
        if (answer.statusCode === 201) return undefined;
        return uploadUrl(exchange.address(domain), answer, subject);
      },
    );
    return value;
  };

  /** Tells the registry to forget an upload; it forgets by itself, only later. */
  const cancel = async ({ domain, path }: Parts, upload: URL): Promise<void> => {
    const question = {
      host: domain,
      method: "DELETE",
      target: upload,
      scopes: [repositoryScope(path, "pull", "push")],
      subject: `cancel an upload to ${path}`,
      expect: [200, 202, 204, 404],
      isRepeatable: false,
      signal: AbortSignal.timeout(CANCEL_TIMEOUT_MS),
    } as const;
    await exchange.ask(question, async () => {}).catch(() => {});
  };

  const send = async (
    repository: Parts,
    source: BlobSource,
    onProgress: ((sentBytes: number) => void) | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> => {
    const { domain: host, path } = repository;
    const subject = `upload of ${source.digest} to ${path}`;
    const upload = await begin(repository, undefined, signal);
    if (upload === undefined) throw invalidAnswer(host, subject, "no upload was begun");
    let content: Readable | undefined;
    const expected = { digest: source.digest, sizeBytes: source.sizeBytes, host, subject };
    try {
      await exchange.ask(
        {
          host,
          method: "PUT",
          target: withDigest(upload, source.digest),
          scopes: [repositoryScope(path, "pull", "push")],
          subject,
          headers: {
            "content-type": "application/octet-stream",
            "content-length": `${source.sizeBytes}`,
          },
          body: async (progress) => {
            content?.destroy();
            content = await openSource(source, signal);
            const chunks = verifiedChunks(content as AsyncIterable<Uint8Array>, expected);
            const sent = reported(chunks, (sentBytes) => {
              progress();
              onProgress?.(sentBytes);
            });
            return Readable.from(sent, { objectMode: false });
          },
          expect: [200, 201, 204],
          // What an upload is after a failure nobody knows: only the whole of it can be repeated.
          isRepeatable: false,
          signal,
        },
        async (answer, progress) => {
          await readBody(answer.body, MAX_ANSWER_BYTES, progress);
          const told = headerOf(answer, "docker-content-digest");
          if (told !== undefined && told !== source.digest) {
            throw wrongDigest(host, subject, "the registry has it by another digest");
          }
        },
      );
    } catch (error) {
      await cancel(repository, upload);
      throw error;
    } finally {
      content?.destroy();
    }
  };

  return {
    hasBlob(repository, digest, { signal } = {}) {
      checkDigest(digest);
      return has(parseRepository(repository), digest, signal);
    },

    async blob(repository, digest, { signal, sizeBytes } = {}) {
      checkDigest(digest);
      const { domain: host, path } = parseRepository(repository);
      const subject = `blob ${path}@${digest}`;
      const { value } = await exchange.ask(
        {
          host,
          method: "GET",
          target: `/v2/${path}/blobs/${digest}`,
          scopes: [repositoryScope(path, "pull")],
          subject,
          expect: [200],
          isRepeatable: true,
          signal,
        },
        (answer) => {
          const told = lengthOf(answer);
          if (told !== undefined && sizeBytes !== undefined && told !== sizeBytes) {
            throw wrongDigest(host, subject, `it has ${told} bytes instead of ${sizeBytes}`);
          }
          return Promise.resolve({ body: answer.body, length: sizeBytes ?? told });
        },
      );
      const { body, length } = value;
      const { idleTimeoutMs } = options;
      return verifiedStream(
        body,
        { digest, sizeBytes: length, host, subject },
        { idleTimeoutMs, signal },
      );
    },

    async pushBlob(repository, source, { signal, onProgress } = {}) {
      checkDigest(source.digest);
      const parts = parseRepository(repository);
      return exchange.repeat(signal, async () => {
        if (await has(parts, source.digest, signal)) return "exists";
        await send(parts, source, onProgress, signal);
        return "pushed";
      });
    },

    async mountBlob(from, to, digest, { signal } = {}) {
      checkDigest(digest);
      const [source, target] = [parseRepository(from), parseRepository(to)];
      if (source.domain !== target.domain) return false;
      let upload: URL | undefined;
      try {
        upload = await begin(target, { digest, from: source.path }, signal);
      } catch (error) {
        // One token for two repositories is more than some registries give.
        if (isRegistryError(error) && NO_MOUNT.has(error.code)) return false;
        throw error;
      }
      if (upload === undefined) return true;
      await cancel(target, upload);
      return false;
    },
  };
}

/** It may fail before it is read: an abort can come at any time. */
async function openSource(source: BlobSource, signal: AbortSignal | undefined): Promise<Readable> {
  const content = await source.open({ signal });
  return content.on("error", () => {});
}

async function* reported(
  chunks: AsyncIterable<Uint8Array>,
  onSent: (sentBytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  let sent = 0;
  for await (const chunk of chunks) {
    yield chunk;
    sent += chunk.byteLength;
    onSent(sent);
  }
}

/** Where an upload goes: on the registry, or on a storage that it names, but never with less security. */
function uploadUrl(registry: RegistryAddress, answer: Answer, subject: string): URL {
  const location = headerOf(answer, "location");
  const url =
    location !== undefined && URL.canParse(location, registry.origin)
      ? new URL(location, registry.origin)
      : undefined;
  if (url?.protocol === "https:" || (url?.protocol === "http:" && registry.isInsecure)) {
    url.username = "";
    url.password = "";
    return url;
  }
  const { host } = registry;
  if (url === undefined)
    throw invalidAnswer(host, subject, "the registry does not say where to upload");
  throw new RegistryError(
    "ERR_REGISTRY_REDIRECT_REFUSED",
    `${host}, ${subject}: the registry wants it sent to ${url.origin}, without TLS.`,
    { hint: "Correct the address that the registry knows of itself.", details: { host, subject } },
  );
}

/** The query that is there is kept as it is written: it may be signed. */
function withDigest(upload: URL, digest: string): URL {
  const joint = upload.search === "" ? "?" : "&";
  return new URL(`${upload.href}${joint}digest=${encodeURIComponent(digest)}`);
}

function lengthOf(answer: Answer): number | undefined {
  const text = headerOf(answer, "content-length") ?? "";
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
