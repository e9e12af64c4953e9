import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { execa } from "execa";
import { callEngine } from "./engine-call.js";
import { skipOrThrow } from "./skip.js";
import { findOnPath } from "./test-programs.js";

export interface RegistryCredentials {
  readonly username: string;
  readonly password: string;
}

/** A running registry with storage of its own; disposing stops it and removes the storage. */
export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:port`, as it stands in image references. */
  readonly host: string;
  readonly url: string;
  readonly auth: RegistryCredentials | undefined;
}

export type FoundTestRegistry =
  | { readonly binary: string; readonly htpasswd: string; readonly skip: undefined }
  | { readonly binary: undefined; readonly htpasswd: undefined; readonly skip: string };

/**
 * The registry binary of Debian's docker-registry and htpasswd. `skip` says what is missing; with
 * `registry` in `MOLECULE_TEST_REQUIRE` it throws instead.
 */
export async function findTestRegistry(): Promise<FoundTestRegistry> {
  const binary = await findOnPath("docker-registry");
  const htpasswd = await findOnPath("htpasswd");
  if (binary !== undefined && htpasswd !== undefined) return { binary, htpasswd, skip: undefined };
  const missing = binary === undefined ? "docker-registry" : "htpasswd";
  const skip = skipOrThrow(
    "registry",
    `no ${missing} on PATH (on Debian: apt-get install docker-registry apache2-utils)`,
  );
  return { binary: undefined, htpasswd: undefined, skip };
}

/**
 * Serves a real registry on a free loopback port, which an engine talks to without TLS. With `auth`
 * every request needs those credentials (bcrypt htpasswd).
 */
export async function startTestRegistry(
  options: { readonly auth?: RegistryCredentials | undefined } = {},
): Promise<TestRegistry> {
  const found = await findTestRegistry();
  if (found.skip !== undefined) throw new Error(found.skip);
  const root = await mkdtemp(join(tmpdir(), "molecule-registry-"));
  try {
    // A free port can be taken between finding and using it.
    for (let attempt = 1; ; attempt++) {
      const registry = await serve(found, root, await freePort(), options.auth);
      if (registry !== undefined) return registry;
      if (attempt === 5) throw new Error("docker-registry did not start on five free ports");
    }
  } catch (error) {
    await rm(root, { recursive: true, force: true });
    throw error;
  }
}

/** Tags `source` as `target` (`host/repository:tag`), pushes it with the engine and removes the tag. */
export async function pushImage(
  socketPath: string,
  source: string,
  target: string,
  auth?: RegistryCredentials,
): Promise<void> {
  const separator = target.lastIndexOf(":");
  const repository = target.slice(0, separator);
  const tag = target.slice(separator + 1);
  const query = new URLSearchParams({ repo: repository, tag }).toString();
  const tagged = await callEngine(socketPath, {
    method: "POST",
    path: `/images/${source}/tag?${query}`,
  });
  if (tagged.status !== 201) throw new Error(`tag ${target}: ${tagged.body.toString()}`);
  try {
    const pushed = await callEngine(socketPath, {
      method: "POST",
      path: `/images/${repository}/push?tag=${tag}`,
      headers: {
        "x-registry-auth": encodeRegistryAuth(auth),
      },
    });
    const text = pushed.body.toString("utf8");
    if (pushed.status !== 200 || text.includes('"errorDetail"')) {
      throw new Error(`push ${target}: ${pushed.status} ${text.slice(-500)}`);
    }
  } finally {
    await callEngine(socketPath, { method: "DELETE", path: `/images/${target}` });
  }
}

/**
 * Credentials as the `X-Registry-Auth` header wants them: base64url with padding, without which the
 * engine takes them for absent.
 */
export function encodeRegistryAuth(auth: RegistryCredentials | undefined): string {
  const base64 = Buffer.from(JSON.stringify(auth ?? {})).toString("base64");
  return base64.replaceAll("+", "-").replaceAll("/", "_");
}

async function serve(
  found: { readonly binary: string; readonly htpasswd: string },
  root: string,
  port: number,
  auth: RegistryCredentials | undefined,
): Promise<TestRegistry | undefined> {
  const host = `127.0.0.1:${port}`;
  const config = join(root, "config.yml");
  const lines = [
    "version: 0.1",
    "log: { level: error }",
    `storage: { filesystem: { rootdirectory: ${JSON.stringify(join(root, "data"))} }, delete: { enabled: true } }`,
    `http: { addr: "${host}" }`,
  ];
  if (auth !== undefined) {
    const file = join(root, "htpasswd");
    const { stdout } = await promisify(execFile)(found.htpasswd, [
      "-nbB",
      auth.username,
      auth.password,
    ]);
    await writeFile(file, stdout);
    lines.push(`auth: { htpasswd: { realm: test, path: ${JSON.stringify(file)} } }`);
  }
  await writeFile(config, `${lines.join("\n")}\n`);

  const child = execa(found.binary, ["serve", config], { stdio: "ignore", reject: false });
  let exited = false;
  void child.then(() => {
    exited = true;
  });
  while (!exited) {
    const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
    if (answer?.status === 200 || answer?.status === 401) {
      return {
        host,
        url: `http://${host}`,
        auth,
        async [Symbol.asyncDispose]() {
          child.kill("SIGTERM", undefined);
          await child;
          await rm(root, { recursive: true, force: true });
        },
      };
    }
    await sleep(25);
  }
  return undefined;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => {
        resolve(port);
      });
    });
  });
}
