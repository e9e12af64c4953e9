import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import type { RegistryCredentials } from "./test-registry.js";

/** How a {@link FakeRegistry} misbehaves; every other answer stays true to the protocol. */
export type RegistryFault =
  | "none"
  /** 401 with a Basic challenge, whatever the credentials. */
  | "unauthorized"
  | "forbidden"
  | "not-found"
  /** 429 with TOOMANYREQUESTS. */
  | "rate-limited"
  | "server-error"
  /** The layer is not what its digest says. */
  | "wrong-digest"
  /** The layer's connection breaks halfway, every time. */
  | "truncated-layer";

export interface FakeRegistryOptions {
  readonly fault?: RegistryFault | undefined;
  /** Asks for a bearer token of its own token endpoint, which wants these credentials. */
  readonly auth?: RegistryCredentials | undefined;
  /** Size of the one layer before compression, random bytes; default 64 KiB. */
  readonly layerBytes?: number | undefined;
}

export interface FakeRegistryRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
}

/** A registry that has one small image under every repository and tag. */
export interface FakeRegistry extends AsyncDisposable {
  readonly host: string;
  /** Digest of the manifest. */
  readonly digest: string;
  /** Changes while running. */
  fault: RegistryFault;
  readonly requests: readonly FakeRegistryRequest[];
}

/** Serves a {@link FakeRegistry} on a free loopback port; real engines pull from it. */
export async function startFakeRegistry(options: FakeRegistryOptions = {}): Promise<FakeRegistry> {
  const image = await createImage(options.layerBytes ?? 64 * 1024);
  const requests: FakeRegistryRequest[] = [];
  const token = createHash("sha256").update(image.manifestDigest).digest("hex");
  const state = { fault: options.fault ?? ("none" as RegistryFault) };

  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    const { authorization } = request.headers;
    requests.push({ method: request.method ?? "GET", path, authorization });
    response.setHeader("docker-distribution-api-version", "registry/2.0");
    if (path.startsWith("/token")) {
      answerToken(authorization, response);
      return;
    }
    if (options.auth !== undefined && authorization !== `Bearer ${token}`) {
      const realm = `http://${request.headers.host ?? ""}/token`;
      response.setHeader("www-authenticate", `Bearer realm="${realm}",service="fake"`);
      answerError(response, 401, "UNAUTHORIZED");
      return;
    }
    answer(request, response, path);
  });

  const answerToken = (authorization: string | undefined, response: ServerResponse): void => {
    const { username = "", password = "" } = options.auth ?? {};
    const wanted = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
    if (authorization !== wanted) {
      answerError(response, 401, "UNAUTHORIZED");
      return;
    }
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ token, access_token: token }));
  };

  const answer = (request: IncomingMessage, response: ServerResponse, path: string): void => {
    switch (state.fault) {
      case "unauthorized":
        response.setHeader("www-authenticate", 'Basic realm="fake"');
        answerError(response, 401, "UNAUTHORIZED");
        return;
      case "forbidden":
        // The version check passes, as with registries that refuse per repository.
        if (path !== "/v2/") {
          answerError(response, 403, "DENIED");
          return;
        }
        break;
      case "not-found":
        if (path !== "/v2/") {
          answerError(response, 404, "MANIFEST_UNKNOWN");
          return;
        }
        break;
      case "rate-limited":
        if (path !== "/v2/") {
          answerError(response, 429, "TOOMANYREQUESTS");
          return;
        }
        break;
      case "server-error":
        if (path !== "/v2/") {
          answerError(response, 500, "UNKNOWN");
          return;
        }
        break;
      case "none":
      case "wrong-digest":
      case "truncated-layer":
        break;
    }
    answerImage(request, response, path);
  };

  const answerImage = (request: IncomingMessage, response: ServerResponse, path: string): void => {
    if (path === "/v2/") {
      response.end("{}");
    } else if (/^\/v2\/.+\/manifests\/[^/]+$/.test(path)) {
      response.setHeader("docker-content-digest", image.manifestDigest);
      sendBytes(request, response, image.manifest, MANIFEST_TYPE);
    } else if (path.endsWith(`/blobs/${image.configDigest}`)) {
      sendBytes(request, response, image.config, "application/octet-stream");
    } else if (path.endsWith(`/blobs/${image.layerDigest}`)) {
      sendLayer(request, response);
    } else {
      answerError(response, 404, "BLOB_UNKNOWN");
    }
  };

  const sendLayer = (request: IncomingMessage, response: ServerResponse): void => {
    if (state.fault === "wrong-digest") {
      const wrong = Buffer.from(image.layer);
      wrong[wrong.length - 20] = (wrong.at(-20) ?? 0) ^ 0xff;
      sendBytes(request, response, wrong, "application/octet-stream");
    } else if (state.fault === "truncated-layer") {
      response.setHeader("content-length", image.layer.length);
      response.write(image.layer.subarray(0, image.layer.length / 2), () => {
        response.destroy();
      });
    } else {
      sendBytes(request, response, image.layer, "application/octet-stream");
    }
  };

  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    digest: image.manifestDigest,
    get fault() {
      return state.fault;
    },
    set fault(fault) {
      state.fault = fault;
    },
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json";

function answerError(response: ServerResponse, status: number, code: string): void {
  response.statusCode = status;
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ errors: [{ code, message: code.toLowerCase() }] }));
}

function sendBytes(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Buffer,
  type: string,
): void {
  response.setHeader("content-type", type);
  response.setHeader("content-length", bytes.length);
  response.end(request.method === "HEAD" ? undefined : bytes);
}

interface FakeImage {
  readonly manifest: Buffer;
  readonly manifestDigest: string;
  readonly config: Buffer;
  readonly configDigest: string;
  readonly layer: Buffer;
  readonly layerDigest: string;
}

async function createImage(layerBytes: number): Promise<FakeImage> {
  const tar = pack();
  // Incompressible and different in every registry, so that no engine has the layer already.
  tar.entry({ name: "data" }, noise(layerBytes));
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  const rootfs = Buffer.concat(chunks);
  const layer = gzipSync(rootfs);
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      os: "linux",
      config: { Cmd: ["/none"], Labels: { "molecule.test": "true" } },
      rootfs: { type: "layers", diff_ids: [digestOf(rootfs)] },
      history: [{ created_by: "fake registry" }],
    }),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: {
        mediaType: "application/vnd.docker.container.image.v1+json",
        size: config.length,
        digest: digestOf(config),
      },
      layers: [
        {
          mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip",
          size: layer.length,
          digest: digestOf(layer),
        },
      ],
    }),
  );
  return {
    manifest,
    manifestDigest: digestOf(manifest),
    config,
    configDigest: digestOf(config),
    layer,
    layerDigest: digestOf(layer),
  };
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function noise(bytes: number): Buffer {
  const seed = `${process.pid}.${performance.now()}`;
  const blocks: Buffer[] = [];
  for (let i = 0; i * 32 < bytes; i++) {
    blocks.push(createHash("sha256").update(`${seed}.${i}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, bytes);
}
