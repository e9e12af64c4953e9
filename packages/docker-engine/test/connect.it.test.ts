import { recordSkip, startFaultProxy } from "@molecule-ai/testkit";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer as createHttpServer, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import {
  createServer as createNetServer,
  connect as connectSocket,
  type AddressInfo,
} from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connectEngine, engineSettingsFromEnv, type DockerEngine } from "../src/index.js";
import { skip, socketPath } from "./setup.js";

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), "fixtures/bin");

let home: string;
const cleanups: (() => unknown)[] = [];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "connect-test-"));
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await rm(home, { recursive: true, force: true });
});

async function connect(
  env: Record<string, string>,
  source: { platform?: NodeJS.Platform; uid?: number } = {},
): Promise<DockerEngine> {
  const settings = engineSettingsFromEnv(env, {
    homeDirectory: home,
    platform: source.platform ?? "linux",
    uid: source.uid,
  });
  const engine = await connectEngine({ settings });
  cleanups.push(() => engine[Symbol.asyncDispose]());
  return engine;
}

/** A server that answers every request with these headers; resolves to its socket and what it saw. */
async function fakeEngine(
  headers: Record<string, string>,
  status = 200,
): Promise<{ socket: string; paths: string[] }> {
  const socket = join(home, `fake-${cleanups.length}.sock`);
  const paths: string[] = [];
  const server: Server = createHttpServer((request, response) => {
    paths.push(request.url ?? "");
    response.writeHead(status, headers);
    response.end("[]");
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { socket, paths };
}

async function writeContext(name: string, docker: object): Promise<string> {
  const id = createHash("sha256").update(name).digest("hex");
  const directory = join(home, ".docker/contexts/meta", id);
  await mkdir(directory, { recursive: true });
  const meta = { Name: name, Metadata: {}, Endpoints: { docker } };
  await writeFile(join(directory, "meta.json"), JSON.stringify(meta));
  return join(home, ".docker/contexts/tls", id, "docker");
}

describe("an engine that was named", () => {
  it("is never replaced by another one", async () => {
    const missing = join(home, "none.sock");
    await expect(connect({ DOCKER_HOST: `unix://${missing}` })).rejects.toMatchObject({
      code: "ERR_ENGINE_UNREACHABLE",
      message: `The Docker engine does not answer: ${missing} (DOCKER_HOST): absent`,
      details: { candidates: [{ address: missing, origin: "DOCKER_HOST", reason: "absent" }] },
    });
    await writeContext("gone", { Host: `unix://${missing}` });
    await expect(connect({ DOCKER_CONTEXT: "gone" })).rejects.toMatchObject({
      code: "ERR_ENGINE_UNREACHABLE",
      details: { candidates: [{ origin: 'context "gone"', reason: "absent" }] },
    });
  });

  it("is refused when nothing listens, when it is no engine and when it is no HTTP", async () => {
    const reasonOf = async (socket: string): Promise<unknown> => {
      const error = await connect({ DOCKER_HOST: `unix://${socket}` }).catch((e: unknown) => e);
      const { candidates } = (error as { details: { candidates: { reason: string }[] } }).details;
      return candidates[0]?.reason;
    };
    const dead = join(home, "dead.sock");
    await writeFile(dead, "");
    expect(await reasonOf(dead)).toBe("nothing listens there");
    const web = await fakeEngine({ "content-type": "text/html" });
    expect(await reasonOf(web.socket)).toBe("not a Docker engine");
    const other = await fakeEngine({}, 404);
    expect(await reasonOf(other.socket)).toBe("not a Docker engine");
    const smtp = createNetServer((socket) => {
      socket.on("error", () => undefined);
      socket.end("220 mail ready\r\n");
    });
    const mail = join(home, "mail.sock");
    await new Promise<void>((resolve) => smtp.listen(mail, resolve));
    cleanups.push(() => smtp.close());
    expect(await reasonOf(mail)).toBe("not a Docker engine");
  });

  it("says what to do when its socket may not be opened", async () => {
    const { socket } = await fakeEngine({ "api-version": "1.41" });
    await chmod(socket, 0o000);
    await chmod(home, 0o755);
    // Root may open everything.
    if (process.getuid?.() === 0) process.seteuid?.(65534);
    try {
      await expect(connect({ DOCKER_HOST: `unix://${socket}` })).rejects.toMatchObject({
        code: "ERR_ENGINE_PERMISSION",
        hint: expect.stringContaining("docker group") as string,
        details: { candidates: [{ reason: "permission denied" }] },
      });
    } finally {
      process.seteuid?.(process.getuid?.() ?? 0);
    }
  });

  it("may be a context, by variable or by Docker's configuration, and DOCKER_HOST wins", async () => {
    const { socket } = await fakeEngine({ "api-version": "1.41" });
    const other = await fakeEngine({ "api-version": "1.41" });
    await writeContext("mine", { Host: `unix://${socket}` });
    expect((await connect({ DOCKER_CONTEXT: "mine" })).endpoint).toEqual({
      kind: "unix",
      address: socket,
      origin: 'context "mine"',
    });
    await writeFile(join(home, ".docker/config.json"), '{"currentContext":"mine"}');
    expect((await connect({})).endpoint.address).toBe(socket);
    const host = { DOCKER_HOST: `unix://${other.socket}`, DOCKER_CONTEXT: "mine" };
    expect((await connect(host)).endpoint.address).toBe(other.socket);
  });

  it("is refused when its context does not exist or its configuration is broken", async () => {
    await expect(connect({ DOCKER_CONTEXT: "nobody" })).rejects.toMatchObject({
      code: "ERR_ENGINE_SETTINGS",
    });
    await mkdir(join(home, ".docker"));
    await writeFile(join(home, ".docker/config.json"), '{"auths":{"x":{"auth":"c2VjcmV0"');
    await expect(connect({})).rejects.toMatchObject({
      code: "ERR_ENGINE_SETTINGS",
      message: expect.not.stringContaining("c2VjcmV0") as string,
    });
  });
});

describe("looking for an engine", () => {
  it("takes a rootless engine before the machine's", async () => {
    const { socket } = await fakeEngine({ "api-version": "1.41" });
    await symlink(socket, join(home, "docker.sock"));
    const engine = await connect({ XDG_RUNTIME_DIR: home });
    expect(engine.endpoint).toMatchObject({
      address: join(home, "docker.sock"),
      origin: "rootless socket",
    });
  });

  it("lists every place it looked at when there is none", async () => {
    await expect(connect({}, { platform: "win32" })).rejects.toMatchObject({
      code: "ERR_ENGINE_UNREACHABLE",
      hint: expect.stringContaining("DOCKER_HOST") as string,
      details: { candidates: [{ origin: "default pipe" }] },
    });
  });

  it.skipIf(skip)("passes over what does not answer as an engine", async () => {
    const { socket } = await fakeEngine({ "content-type": "text/html" });
    await symlink(socket, join(home, "docker.sock"));
    const engine = await connect({ XDG_RUNTIME_DIR: home });
    expect(engine.endpoint.origin).not.toBe("rootless socket");
    expect((await engine.info()).os).toBe("linux");
  });

  it("ends when aborted", async () => {
    const silent = createNetServer(() => undefined);
    const socket = join(home, "silent.sock");
    await new Promise<void>((resolve) => silent.listen(socket, resolve));
    cleanups.push(() => silent.close());
    const settings = engineSettingsFromEnv(
      { DOCKER_HOST: `unix://${socket}` },
      { homeDirectory: home, platform: "linux" },
    );
    const controller = new AbortController();
    const reason = new Error("no time");
    setTimeout(() => controller.abort(reason), 50);
    await expect(connectEngine({ settings, signal: controller.signal })).rejects.toBe(reason);
  });
});

describe("agreeing on an API", () => {
  it.each([
    ["1.41", undefined, "/v1.41/images/json"],
    ["1.99", undefined, "/v1.48/images/json"],
    ["2.1", undefined, "/v1.48/images/json"],
    ["1.45", "1.42", "/v1.42/images/json"],
  ])("speaks with an engine of %s (asked for %s) as %s", async (version, asked, path) => {
    const { socket, paths } = await fakeEngine({ "api-version": version });
    const engine = await connect({
      DOCKER_HOST: `unix://${socket}`,
      ...(asked === undefined ? {} : { DOCKER_API_VERSION: asked }),
    });
    await engine.images.list();
    expect(paths).toEqual(["/_ping", path]);
  });

  it("refuses an engine that is too old", async () => {
    const { socket } = await fakeEngine({ "api-version": "1.30" });
    await expect(connect({ DOCKER_HOST: `unix://${socket}` })).rejects.toMatchObject({
      code: "ERR_ENGINE_UNSUPPORTED",
    });
  });
});

describe.skipIf(skip)("ways to a real engine", () => {
  it("goes over TCP", async () => {
    await using proxy = await startFaultProxy({ socketPath });
    const engine = await connect({ DOCKER_HOST: proxy.tcpDockerHost });
    expect(engine.endpoint).toEqual({
      kind: "tcp",
      address: proxy.tcpDockerHost.slice("tcp://".length),
      origin: "DOCKER_HOST",
    });
    expect((await engine.info()).os).toBe("linux");
  });

  it("goes over ssh, with the user's own ssh and no prompt", async () => {
    await writeFile(join(home, "ssh-socket"), socketPath);
    const env = { PATH: `${FIXTURES}:${process.env["PATH"]}`, HOME: home };
    const engine = await connect({ ...env, DOCKER_HOST: "ssh://anna@box:2222" });
    expect(engine.endpoint).toEqual({ kind: "ssh", address: "box:2222", origin: "DOCKER_HOST" });
    const infos = await Promise.all([engine.info(), engine.images.list(), engine.volumes.list()]);
    expect(infos[0].os).toBe("linux");
    const [first] = (await readFile(join(home, "ssh-calls"), "utf8")).split("\n");
    expect(JSON.parse(first ?? "")).toEqual(
      [
        "-T -o BatchMode=yes -o ConnectTimeout=30 -l anna -p 2222".split(" "),
        "-- box docker system dial-stdio".split(" "),
      ].flat(),
    );
  });

  it("repeats what ssh said when it refuses", async () => {
    await writeFile(join(home, "ssh-refuses"), "");
    const env = { PATH: `${FIXTURES}:${process.env["PATH"]}`, HOME: home };
    await expect(connect({ ...env, DOCKER_HOST: "ssh://box" })).rejects.toMatchObject({
      code: "ERR_ENGINE_UNREACHABLE",
      message: expect.stringContaining("Host key verification failed.") as string,
    });
    await expect(
      connect({ PATH: home, HOME: home, DOCKER_HOST: "ssh://box" }),
    ).rejects.toMatchObject({ code: "ERR_ENGINE_UNREACHABLE" });
  });

  it("goes over TLS only with the right certificates", async () => {
    const certificates = await makeCertificates(home);
    if (certificates === undefined) return;
    const server = createHttpsServer({
      ...certificates,
      requestCert: true,
      rejectUnauthorized: true,
    });
    server.on("secureConnection", () => undefined);
    server.on("request", (request, response) => {
      response.writeHead(200, { "api-version": "1.41" });
      response.end("[]");
      request.resume();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    cleanups.push(() => {
      server.closeAllConnections();
      server.close();
    });
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const host = { DOCKER_HOST: `tcp://${address}` };
    const engine = await connect({ ...host, DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: home });
    expect(engine.endpoint).toEqual({ kind: "tls", address, origin: "DOCKER_HOST" });
    expect(await engine.images.list()).toEqual([]);
    // Without them, with none to be found, and with an authority that did not sign the server.
    await expect(connect(host)).rejects.toMatchObject({ code: "ERR_ENGINE_UNREACHABLE" });
    const empty = join(home, "empty");
    await mkdir(empty);
    await expect(
      connect({ ...host, DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: empty }),
    ).rejects.toMatchObject({ code: "ERR_ENGINE_SETTINGS" });
    const other = join(home, "other");
    await mkdir(other);
    await makeCertificates(other);
    await expect(
      connect({ ...host, DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: other }),
    ).rejects.toMatchObject({ code: "ERR_ENGINE_UNREACHABLE" });
    // A context brings its own.
    const directory = await writeContext("secure", { Host: `tcp://${address}` });
    await mkdir(dirname(directory), { recursive: true });
    await symlink(home, directory);
    expect((await connect({ DOCKER_CONTEXT: "secure" })).endpoint.kind).toBe("tls");
  });

  it("is not held up by a connection that is half open", async () => {
    await using proxy = await startFaultProxy({ socketPath });
    const idle = connectSocket(proxy.socketPath);
    const engine = await connect({ DOCKER_HOST: proxy.dockerHost });
    expect((await engine.info()).os).toBe("linux");
    idle.destroy();
  });
});

/** One self-signed pair, authority of itself; undefined without openssl. */
async function makeCertificates(
  directory: string,
): Promise<{ ca: Buffer; cert: Buffer; key: Buffer } | undefined> {
  try {
    await promisify(execFile)(
      "openssl",
      [
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1".split(" "),
        "-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem".split(" "),
      ].flat(),
      { cwd: directory },
    );
  } catch {
    recordSkip("no openssl to make certificates for the TLS test");
    return undefined;
  }
  const cert = await readFile(join(directory, "cert.pem"));
  await writeFile(join(directory, "ca.pem"), cert);
  return { ca: cert, cert, key: await readFile(join(directory, "key.pem")) };
}
