import { createTestCertificates, findOpenssl } from "@molecule-ai/testkit";
import { mkdtemp, rm } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent } from "undici";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../src/digest.js";
import { bytesBlob, createRegistryClient, type RegistryClient } from "../src/index.js";
import { startScriptedRegistry } from "./scripted-registry.js";

const openssl = await findOpenssl();

/** Names that are not this machine's, although they lead here: with them TLS is spoken. */
describe.skipIf(openssl.skip !== undefined)("a registry on the network", () => {
  let certificate: Awaited<ReturnType<typeof createTestCertificates>>;
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "molecule-registry-tls-"));
    certificate = await createTestCertificates(directory);
  });
  afterAll(() => rm(directory, { recursive: true }));

  const serve = async (
    answer: RequestListener,
  ): Promise<AsyncDisposable & { readonly host: string }> => {
    const { cert, key } = certificate;
    const server = createServer({ cert, key }, answer);
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    return {
      host: `registry.test:${(server.address() as AddressInfo).port}`,
      async [Symbol.asyncDispose]() {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  };

  /** Finds every name on this machine, and notes which were looked for. */
  const leadHere = (names: string[] = [], trusts = true): Agent =>
    new Agent({
      connect: {
        servername: "localhost",
        ...(trusts ? { ca: certificate.ca } : {}),
        lookup: (name, _options, callback) => {
          names.push(name);
          callback(null, [{ address: "127.0.0.1", family: 4 }]);
        },
      },
    });

  const clientOf = (
    dispatcher: Agent,
    insecureHosts: readonly string[] = [],
  ): AsyncDisposable & { readonly client: RegistryClient } => {
    const client = createRegistryClient({
      dispatcher,
      insecureHosts,
      retries: 0,
      credentials: () => Promise.resolve({ kind: "password", username: "u", password: "secret-1" }),
    });
    return {
      client,
      async [Symbol.asyncDispose]() {
        await client[Symbol.asyncDispose]();
        await dispatcher.destroy();
      },
    };
  };

  const asksWho: RequestListener = (request, response) => {
    if (request.headers.authorization === undefined) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="x"' });
    }
    response.end("{}");
  };

  it("is spoken to with TLS, and has to be trusted", async () => {
    await using registry = await serve(asksWho);
    await using trusting = clientOf(leadHere());
    expect(await trusting.client.ping(registry.host)).toEqual({ authenticated: true });
    await using wary = clientOf(leadHere([], false));
    await expect(wary.client.ping(registry.host)).rejects.toMatchObject({
      code: "ERR_REGISTRY_UNREACHABLE",
      retryable: false,
      hint: expect.stringContaining("NODE_EXTRA_CA_CERTS") as string,
    });
  });

  it("is spoken to without TLS only when it is named as such", async () => {
    await using registry = await startScriptedRegistry(asksWho);
    const host = registry.host.replace("127.0.0.1", "registry.test");
    await using strict = clientOf(leadHere());
    await expect(strict.client.ping(host)).rejects.toMatchObject({
      code: "ERR_REGISTRY_UNREACHABLE",
    });
    expect(registry.requests).toEqual([]);
    await using lax = clientOf(leadHere(), [host]);
    expect(await lax.client.ping(host)).toEqual({ authenticated: true });
  });

  it("has nothing sent to where there is no TLS", async () => {
    await using elsewhere = await startScriptedRegistry((_request, response) => response.end("{}"));
    await using registry = await serve((request, response) => {
      if (request.url === "/v2/") {
        response.writeHead(401, {
          "www-authenticate": `Bearer realm="http://${elsewhere.host}/token"`,
        });
      } else if (request.method === "POST") {
        response.writeHead(202, { location: `http://${elsewhere.host}/upload` });
      } else if (request.method === "GET") {
        response.writeHead(307, { location: `http://${elsewhere.host}/blob` });
      } else response.writeHead(404);
      response.end();
    });
    await using trusting = clientOf(leadHere());
    const { client } = trusting;
    const refused = { code: "ERR_REGISTRY_REDIRECT_REFUSED" };
    const digest = digestOf(Buffer.from("{}"));
    await expect(client.ping(registry.host)).rejects.toMatchObject(refused);
    await expect(client.blob(`${registry.host}/a`, digest)).rejects.toMatchObject(refused);
    await expect(
      client.pushBlob(`${registry.host}/a`, bytesBlob(Buffer.from("{}"))),
    ).rejects.toMatchObject(refused);
    expect(elsewhere.requests).toEqual([]);
  });

  it("is found by another name when it is Docker Hub", async () => {
    const names: string[] = [];
    await using hub = clientOf(leadHere(names));
    await expect(hub.client.ping("docker.io")).rejects.toMatchObject({
      code: "ERR_REGISTRY_UNREACHABLE",
    });
    expect(names).toEqual(["registry-1.docker.io"]);
  });
});
