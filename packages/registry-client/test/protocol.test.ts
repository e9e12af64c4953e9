import { startFakeRegistry } from "@molecule-ai/testkit";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { digestOf } from "../src/digest.js";
import {
  bytesBlob,
  createRegistryClient,
  MEDIA_TYPES,
  RegistryError,
  type RegistryClient,
  type RegistryClientOptions,
} from "../src/index.js";
import { bytesOf } from "./images.js";
import { startScriptedRegistry } from "./scripted-registry.js";

const SECRET = "hunter2-hunter2";
const QUICK = { maxRetryDelayMs: 20 } as const;
/** Only where silence is what is tested: on a busy machine everything is slow. */
const IMPATIENT = { timeoutMs: 300, idleTimeoutMs: 300 } as const;
const known = (): Promise<{ kind: "password"; username: string; password: string }> =>
  Promise.resolve({ kind: "password", username: "anna", password: SECRET });

function quickClient(options: RegistryClientOptions = {}): RegistryClient {
  return createRegistryClient({ ...QUICK, ...options });
}

const MANIFEST = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: {
      mediaType: "application/vnd.oci.image.config.v1+json",
      digest: digestOf(Buffer.from("{}")),
      size: 2,
    },
    layers: [],
  }),
);

function sendManifest(response: ServerResponse, headers: Record<string, string> = {}): void {
  response.writeHead(200, { "content-type": MEDIA_TYPES.ociManifest, ...headers });
  response.end(MANIFEST);
}

describe("bearer tokens", () => {
  it("are asked for once per scope, with the credentials only at the token service", async () => {
    await using registry = await startFakeRegistry({
      auth: { username: "anna", password: SECRET },
    });
    await using client = quickClient({ credentials: known });
    const reference = `${registry.host}/a/b:1`;
    expect(await client.resolve(reference)).toMatchObject({ digest: registry.digest });
    await client.manifest(reference);
    await client.imageConfig(reference);
    const tokens = registry.requests.filter(({ path }) => path.startsWith("/token"));
    expect(tokens.map(({ path }) => decodeURIComponent(path))).toEqual([
      "/token?service=fake&scope=repository:a/b:pull",
    ]);
    for (const { path, authorization } of registry.requests) {
      expect(authorization?.startsWith("Basic ") ?? false).toBe(path.startsWith("/token"));
    }
    expect(await client.ping(registry.host)).toEqual({ authenticated: true });
  });

  it("are refused for wrong credentials, without telling them", async () => {
    await using registry = await startFakeRegistry({
      auth: { username: "anna", password: "other" },
    });
    await using client = quickClient({ credentials: known });
    const error = await client.ping(registry.host).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "ERR_REGISTRY_UNAUTHORIZED" });
    expect(JSON.stringify(error)).not.toContain(SECRET);
  });

  it("are renewed when the registry does not take an old one any more", async () => {
    let round = 0;
    await using registry = await startScriptedRegistry((request, response) => {
      if (request.url?.startsWith("/token") === true) {
        round += 1;
        response.end(JSON.stringify({ access_token: `token-${round}`, expires_in: 3600 }));
        return;
      }
      const accepted = request.headers.authorization === `Bearer token-${round}`;
      if (accepted && round !== 1) sendManifest(response);
      else if (accepted && request.url?.endsWith("/1") === true) sendManifest(response);
      else {
        response.writeHead(401, {
          "www-authenticate": `Bearer realm="http://${request.headers.host}/token"`,
        });
        response.end();
      }
    });
    await using client = quickClient();
    await client.manifest(`${registry.host}/a:1`);
    await client.manifest(`${registry.host}/a:2`);
    expect(round).toBe(2);
  });

  it("are exchanged for an identity token by a form", async () => {
    let form = "";
    await using registry = await startScriptedRegistry((request, response) => {
      if (request.url === "/token") {
        void bytesOf(request).then((bytes) => {
          form = bytes.toString();
          response.end(JSON.stringify({ token: "good" }));
        });
      } else if (request.headers.authorization === "Bearer good") sendManifest(response);
      else {
        response.writeHead(401, {
          "www-authenticate": `Bearer realm="http://${request.headers.host}/token",service="s"`,
        });
        response.end();
      }
    });
    await using client = quickClient({
      credentials: () => Promise.resolve({ kind: "identity-token", token: SECRET }),
    });
    await client.manifest(`${registry.host}/a:1`);
    expect(Object.fromEntries(new URLSearchParams(form))).toMatchObject({
      grant_type: "refresh_token",
      refresh_token: SECRET,
      service: "s",
      scope: "repository:a:pull",
    });
  });

  it.each([
    "http://192.0.2.1/token",
    "ftp://localhost/token",
    "file:///etc/passwd",
    "nonsense",
    "",
  ])("are not fetched from %j", async (realm) => {
    await using registry = await startScriptedRegistry((_request, response) => {
      response.writeHead(401, { "www-authenticate": `Bearer realm="${realm}"` });
      response.end();
    });
    await using client = quickClient({ credentials: known });
    await expect(client.ping(registry.host)).rejects.toMatchObject({
      code: "ERR_REGISTRY_REDIRECT_REFUSED",
    });
    expect(registry.requests).toHaveLength(1);
  });

  it.each(["", "[]", '{"token":""}', '{"token":"a b"}', '{"token":7}', "x".repeat(400_000)])(
    "are nothing else than tokens (%#)",
    async (body) => {
      await using registry = await startScriptedRegistry((request, response) => {
        if (request.url?.startsWith("/token") === true) response.end(body);
        else {
          response.writeHead(401, {
            "www-authenticate": `Bearer realm="http://${request.headers.host}/token"`,
          });
          response.end();
        }
      });
      await using client = quickClient();
      await expect(client.ping(registry.host)).rejects.toMatchObject({
        code: "ERR_REGISTRY_ANSWER_INVALID",
      });
    },
  );
});

describe("credentials", () => {
  it("do not follow a redirect to another origin", async () => {
    await using storage = await startScriptedRegistry((_request, response) => response.end("{}"));
    await using registry = await startScriptedRegistry((request, response) => {
      if (request.headers.authorization === undefined) {
        response.writeHead(401, { "www-authenticate": 'Basic realm="x"' });
        response.end();
      } else {
        response.writeHead(307, { location: `http://u:p@${storage.host}/blob?signed=1` });
        response.end();
      }
    });
    await using client = quickClient({ credentials: known });
    const digest = digestOf(Buffer.from("{}"));
    expect((await bytesOf(await client.blob(`${registry.host}/a`, digest))).toString()).toBe("{}");
    expect(storage.requests).toEqual([{ line: "GET /blob?signed=1", authorization: undefined }]);
    expect(registry.requests.at(-1)?.authorization).toMatch(/^Basic /);
  });

  it("do not go along with an upload to another origin", async () => {
    await using storage = await startScriptedRegistry((request, response) => {
      request.resume().on("end", () => {
        response.writeHead(201);
        response.end();
      });
    });
    await using registry = await startScriptedRegistry((request, response) => {
      if (request.headers.authorization === undefined) {
        response.writeHead(401, { "www-authenticate": 'Basic realm="x"' });
      } else if (request.method === "POST") {
        response.writeHead(202, { location: `http://${storage.host}/up?state=a%2Fb` });
      } else response.writeHead(404);
      response.end();
    });
    await using client = quickClient({ credentials: known });
    const blob = bytesBlob(Buffer.from("content"));
    expect(await client.pushBlob(`${registry.host}/a`, blob)).toBe("pushed");
    expect(storage.requests).toEqual([
      {
        line: `PUT /up?state=a%2Fb&digest=${encodeURIComponent(blob.digest)}`,
        authorization: undefined,
      },
    ]);
  });
});

describe("hostile answers", () => {
  const digest = digestOf(MANIFEST);
  const cases: [string, string, (request: IncomingMessage, response: ServerResponse) => void][] = [
    [
      "other bytes than the digest that was asked for",
      "ERR_REGISTRY_DIGEST",
      (_request, response) => {
        response.writeHead(200, { "content-type": MEDIA_TYPES.ociManifest });
        response.end(`${MANIFEST.toString()} `);
      },
    ],
    [
      "another digest than its bytes have",
      "ERR_REGISTRY_DIGEST",
      (_request, response) => {
        sendManifest(response, { "docker-content-digest": digestOf(Buffer.from("x")) });
      },
    ],
    [
      "a manifest without end",
      "ERR_REGISTRY_TOO_LARGE",
      (_request, response) => {
        response.writeHead(200, { "content-type": MEDIA_TYPES.ociManifest });
        Readable.from(endless()).pipe(response);
      },
    ],
    [
      "an index that is sent as an image",
      "ERR_REGISTRY_ANSWER_INVALID",
      (_request, response) => {
        response.writeHead(200, { "content-type": MEDIA_TYPES.ociIndex });
        response.end(MANIFEST);
      },
    ],
    ["silence", "ERR_REGISTRY_TIMEOUT", () => {}],
    [
      "silence in the middle",
      "ERR_REGISTRY_TIMEOUT",
      (_request, response) => {
        response.writeHead(200, { "content-type": MEDIA_TYPES.ociManifest });
        response.write("{");
      },
    ],
    [
      "half of it",
      "ERR_REGISTRY_DISCONNECTED",
      (_request, response) => {
        response.writeHead(200, { "content-length": "1000" });
        response.write("{", () => response.destroy());
      },
    ],
    [
      "no HTTP",
      "ERR_REGISTRY_UNREACHABLE",
      (_request, response) => {
        response.socket?.end("SSH-2.0-OpenSSH\r\n");
      },
    ],
    [
      "a circle of redirects",
      "ERR_REGISTRY_REDIRECT_REFUSED",
      (request, response) => {
        response.writeHead(302, { location: request.url ?? "/" });
        response.end();
      },
    ],
    [
      "a redirect to a file",
      "ERR_REGISTRY_REDIRECT_REFUSED",
      (_request, response) => {
        response.writeHead(302, { location: "file:///etc/passwd" });
        response.end();
      },
    ],
    [
      "a server error",
      "ERR_REGISTRY_STATUS",
      (_request, response) => {
        response.writeHead(500);
        response.end(`{"errors":[{"code":"UNKNOWN","message":"\u001b[31mhttps://a:b@c/"}]}`);
      },
    ],
    [
      "a wait that is too long",
      "ERR_REGISTRY_RATE_LIMITED",
      (_request, response) => {
        response.writeHead(429, { "retry-after": "3600" });
        response.end();
      },
    ],
    [
      "a refusal",
      "ERR_REGISTRY_FORBIDDEN",
      (_request, response) => {
        response.writeHead(403);
        response.end("no");
      },
    ],
    [
      "a challenge that means nothing",
      "ERR_REGISTRY_UNAUTHORIZED",
      (_request, response) => {
        response.writeHead(401, { "www-authenticate": "Negotiate" });
        response.end();
      },
    ],
  ];

  it.each(cases)("%s: %s", async (_what, code, answer) => {
    await using registry = await startScriptedRegistry(answer);
    await using client = quickClient({
      retries: 1,
      credentials: known,
      ...(code === "ERR_REGISTRY_TIMEOUT" ? IMPATIENT : {}),
    });
    const error = await client
      .manifest(`${registry.host}/a@${digest}`)
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code });
    expect((error as Error).message).not.toContain("\u001b");
    expect((error as Error).message).not.toContain("a:b@");
  });

  it("a HEAD with another digest than was asked for", async () => {
    await using registry = await startScriptedRegistry((_request, response) => {
      sendManifest(response, {
        "content-length": `${MANIFEST.length}`,
        "docker-content-digest": digestOf(Buffer.from("x")),
      });
    });
    await using client = quickClient();
    await expect(client.resolve(`${registry.host}/a@${digest}`)).rejects.toMatchObject({
      code: "ERR_REGISTRY_DIGEST",
    });
  });

  it("blobs that are too long, too short, other bytes, or never end", async () => {
    const blob = Buffer.from("0123456789");
    await using registry = await startScriptedRegistry((request, response) => {
      const path = request.url ?? "";
      if (path.includes("long")) Readable.from(endless()).pipe(response);
      else if (path.includes("short")) response.end("0123");
      else if (path.includes("other")) response.end("0123456780");
      else response.write("01");
    });
    await using patient = quickClient();
    await using impatient = quickClient({ retries: 0, ...IMPATIENT });
    for (const [path, code] of [
      ["long", "ERR_REGISTRY_DIGEST"],
      ["short", "ERR_REGISTRY_DIGEST"],
      ["other", "ERR_REGISTRY_DIGEST"],
      ["silent", "ERR_REGISTRY_TIMEOUT"],
    ] as const) {
      const client = path === "silent" ? impatient : patient;
      const read = async (): Promise<Buffer> =>
        bytesOf(
          await client.blob(`${registry.host}/${path}`, digestOf(blob), { sizeBytes: blob.length }),
        );
      await expect(read(), path).rejects.toMatchObject({ code });
    }
  });

  it("a list of tags that goes on elsewhere, in a circle, or for ever", async () => {
    for (const link of [
      () => '<https://elsewhere.example/v2/a/tags/list?n=2>; rel="next"',
      (request: IncomingMessage) => `<${request.url}>; rel="next"`,
      () => "<http://[>; rel=next",
    ]) {
      await using registry = await startScriptedRegistry((request, response) => {
        response.writeHead(200, { link: link(request) });
        response.end('{"tags":["a"]}');
      });
      await using client = quickClient({ credentials: known });
      const read = async (): Promise<void> => {
        for await (const tag of client.tags(`${registry.host}/a`)) expect(tag).toBe("a");
      };
      await expect(read()).rejects.toMatchObject({ code: "ERR_REGISTRY_ANSWER_INVALID" });
      expect(registry.requests).toHaveLength(1);
    }
    let page = 0;
    await using endlessList = await startScriptedRegistry((_request, response) => {
      page += 1;
      response.writeHead(200, { link: `</v2/a/tags/list?last=${page}>; rel="next"` });
      response.end('{"tags":[]}');
    });
    await using client = quickClient();
    const read = async (): Promise<void> => {
      for await (const tag of client.tags(`${endlessList.host}/a`)) expect.unreachable(tag);
    };
    await expect(read()).rejects.toMatchObject({ code: "ERR_REGISTRY_ANSWER_INVALID" });
  });

  it.each(['{"tags":["../../x"]}', '{"tags":"a"}', "<html>", "[]"])(
    "no list of tags: %s",
    async (body) => {
      await using registry = await startScriptedRegistry((_request, response) =>
        response.end(body),
      );
      await using client = quickClient();
      const read = async (): Promise<void> => {
        for await (const tag of client.tags(`${registry.host}/a`)) expect.unreachable(tag);
      };
      await expect(read()).rejects.toMatchObject({ code: "ERR_REGISTRY_ANSWER_INVALID" });
    },
  );
});

describe("repetition", () => {
  it("overcomes lost connections and server errors, and looks with GET where HEAD is not answered", async () => {
    let count = 0;
    await using registry = await startScriptedRegistry((request, response) => {
      count += 1;
      if (count === 1) response.socket?.destroy();
      else if (count === 2) {
        response.writeHead(503);
        response.end();
      } else if (request.method === "HEAD") {
        response.writeHead(405);
        response.end();
      } else sendManifest(response);
    });
    await using client = quickClient();
    expect(await client.resolve(`${registry.host}/a:1`)).toEqual({
      digest: digestOf(MANIFEST),
      mediaType: MEDIA_TYPES.ociManifest,
      sizeBytes: MANIFEST.length,
    });
    expect(registry.requests.map(({ line }) => line.split(" ")[0])).toEqual([
      "HEAD",
      "HEAD",
      "HEAD",
      "GET",
    ]);
  });

  it("begins an upload anew when the connection breaks, and tells the registry to forget the old one", async () => {
    let uploads = 0;
    const received: string[] = [];
    await using registry = await startScriptedRegistry((request, response) => {
      if (request.method === "POST") {
        uploads += 1;
        response.writeHead(202, { location: `/v2/a/blobs/uploads/${uploads}` });
        response.end();
      } else if (request.method === "PUT" && uploads === 1) {
        request.once("data", () => request.socket.destroy());
      } else if (request.method === "PUT") {
        void bytesOf(request).then((bytes) => {
          received.push(bytes.toString());
          response.writeHead(201);
          response.end();
        });
      } else {
        response.writeHead(request.method === "DELETE" ? 204 : 404);
        response.end();
      }
    });
    await using client = quickClient();
    const content = "content ".repeat(100_000);
    expect(await client.pushBlob(`${registry.host}/a`, bytesBlob(Buffer.from(content)))).toBe(
      "pushed",
    );
    expect(received).toEqual([content]);
    expect(registry.requests.map(({ line }) => line)).toContain("DELETE /v2/a/blobs/uploads/1");
  });

  it("sends an upload again whose token the registry did not take any more", async () => {
    let puts = 0;
    const received: string[] = [];
    await using registry = await startScriptedRegistry((request, response) => {
      const refuse = (): void => {
        response.writeHead(401, { "www-authenticate": 'Basic realm="x"' });
        response.end();
      };
      if (request.headers.authorization === undefined) refuse();
      else if (request.method === "POST") {
        response.writeHead(202, { location: "/v2/a/blobs/uploads/1" });
        response.end();
      } else if (request.method === "PUT") {
        puts += 1;
        if (puts === 1) {
          request.resume();
          refuse();
          return;
        }
        void bytesOf(request).then((bytes) => {
          received.push(bytes.toString());
          response.writeHead(201);
          response.end();
        });
      } else {
        response.writeHead(404);
        response.end();
      }
    });
    await using client = quickClient({ credentials: known });
    const blob = bytesBlob(Buffer.from("content"));
    expect(await client.pushBlob(`${registry.host}/a`, blob)).toBe("pushed");
    expect(received).toEqual(["content"]);
  });

  it("gives up an upload whose source cannot be opened, and tells the registry", async () => {
    await using registry = await startScriptedRegistry((request, response) => {
      if (request.method === "POST") response.writeHead(202, { location: "/up" });
      else response.writeHead(request.method === "DELETE" ? 204 : 404);
      response.end();
    });
    await using client = quickClient();
    const reason = new RegistryError("ERR_REGISTRY_NOT_FOUND", "no source");
    const source = { ...bytesBlob(Buffer.from("x")), open: () => Promise.reject(reason) };
    await expect(client.pushBlob(`${registry.host}/a`, source)).rejects.toBe(reason);
    expect(registry.requests.at(-1)?.line).toBe("DELETE /up");
  });

  it("takes a manifest that is gone after a lost answer for deleted", async () => {
    let count = 0;
    await using registry = await startScriptedRegistry((request, response) => {
      count += 1;
      if (count === 1) request.socket.destroy();
      else {
        response.writeHead(404);
        response.end();
      }
    });
    await using client = quickClient();
    const digest = digestOf(MANIFEST);
    expect(await client.deleteManifest(`${registry.host}/a`, digest)).toBe(true);
    expect(await client.deleteManifest(`${registry.host}/a`, digest)).toBe(false);
  });

  it("says when a registry does not delete", async () => {
    await using registry = await startScriptedRegistry((_request, response) => {
      response.writeHead(405);
      response.end('{"errors":[{"code":"UNSUPPORTED"}]}');
    });
    await using client = quickClient();
    await expect(
      client.deleteManifest(`${registry.host}/a`, digestOf(MANIFEST)),
    ).rejects.toMatchObject({
      code: "ERR_REGISTRY_UNSUPPORTED",
      details: { registryCode: "UNSUPPORTED" },
    });
  });
});

describe("abort and disposal", () => {
  it("end a call that waits, with the caller's reason", async () => {
    await using registry = await startScriptedRegistry(() => {});
    await using client = createRegistryClient();
    const controller = new AbortController();
    const reason = new Error("enough");
    const waiting = client.ping(registry.host, { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 50);
    await expect(waiting).rejects.toBe(reason);
    await expect(client.ping(registry.host, { signal: controller.signal })).rejects.toBe(reason);
  });

  it("end a blob that is read", async () => {
    await using registry = await startScriptedRegistry((_request, response) => {
      Readable.from(endless()).pipe(response);
    });
    await using client = createRegistryClient();
    const controller = new AbortController();
    const reason = new Error("enough");
    const { signal } = controller;
    const stream = await client.blob(`${registry.host}/a`, digestOf(MANIFEST), { signal });
    stream.once("data", () => controller.abort(reason));
    await expect(bytesOf(stream)).rejects.toBe(reason);
  });

  it("end a blob that nobody reads yet, quietly", async () => {
    await using registry = await startScriptedRegistry((_request, response) => {
      response.write("x");
    });
    await using client = createRegistryClient();
    const controller = new AbortController();
    const reason = new Error("enough");
    const { signal } = controller;
    const stream = await client.blob(`${registry.host}/a`, digestOf(MANIFEST), { signal });
    controller.abort(reason);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await expect(bytesOf(stream)).rejects.toBe(reason);
  });

  it("end everything when the client is disposed", async () => {
    await using registry = await startScriptedRegistry(() => {});
    const client = createRegistryClient();
    const waiting = client.ping(registry.host).catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await client[Symbol.asyncDispose]();
    expect(await waiting).toMatchObject({ code: "ERR_REGISTRY_CLOSED" });
    await expect(client.ping(registry.host)).rejects.toMatchObject({ code: "ERR_REGISTRY_CLOSED" });
  });
});

describe("arguments", () => {
  it("are checked before anything is asked", async () => {
    await using client = quickClient();
    for (const host of ["", "a/b", "user@host", "nohost", "http://x", "127.0.0.1:5000/x"]) {
      await expect(client.ping(host), host).rejects.toMatchObject({
        code: "ERR_REGISTRY_ARGUMENT",
      });
    }
    await expect(client.blob("127.0.0.1:1/a", "sha256:../..")).rejects.toMatchObject({
      code: "ERR_REGISTRY_ARGUMENT",
    });
    const manifest = { mediaType: MEDIA_TYPES.ociManifest, bytes: MANIFEST };
    await expect(client.putManifest("127.0.0.1:1/a", "a/b", manifest)).rejects.toMatchObject({
      code: "ERR_REGISTRY_ARGUMENT",
    });
    await expect(
      client.putManifest("127.0.0.1:1/a", "t", { ...manifest, mediaType: "a\r\nb" }),
    ).rejects.toMatchObject({ code: "ERR_REGISTRY_ARGUMENT" });
  });
});

function* endless(): Generator<Buffer> {
  const block = Buffer.alloc(64 * 1024, "x");
  for (;;) yield block;
}

describe("a registry that knows referrers", () => {
  it("is asked page by page and filtered, and no tag is written", async () => {
    const referrer = (text: string, artifactType: string) => ({
      mediaType: MEDIA_TYPES.ociManifest,
      digest: digestOf(Buffer.from(text)),
      size: 1,
      artifactType,
    });
    const [one, two] = [referrer("1", "a/sbom"), referrer("2", "a/other")];
    await using registry = await startScriptedRegistry((request, response) => {
      const url = request.url ?? "";
      if (request.method === "PUT" && url.includes("/manifests/")) {
        response.writeHead(201, { "oci-subject": digestOf(MANIFEST) });
        request.resume().on("end", () => response.end());
      } else if (request.method === "HEAD") response.end();
      else {
        const isFirst = !url.includes("last=");
        response.writeHead(200, {
          "content-type": MEDIA_TYPES.ociIndex,
          ...(isFirst ? { link: `<${url.split("?")[0]}?last=1>; rel="next"` } : {}),
        });
        response.end(JSON.stringify({ schemaVersion: 2, manifests: [isFirst ? one : two] }));
      }
    });
    await using client = quickClient();
    const repository = `${registry.host}/a`;
    const digest = digestOf(MANIFEST);
    expect(await client.referrers(repository, digest)).toHaveLength(2);
    expect(await client.referrers(repository, digest, { artifactType: "a/sbom" })).toMatchObject([
      { digest: one.digest },
    ]);
    const subject = { mediaType: MEDIA_TYPES.ociManifest, digest, sizeBytes: MANIFEST.length };
    await client.pushReferrer(repository, { subject, artifactType: "a/b", blobs: [] });
    const puts = registry.requests.filter(({ line }) => line.startsWith("PUT"));
    expect(puts).toHaveLength(1);
    expect(puts[0]?.line).not.toContain("sha256-");
  });
});
