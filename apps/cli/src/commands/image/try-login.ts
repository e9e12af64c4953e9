import type { RegistryCredential } from "@molecule-ai/docker-engine";
import { readLogins } from "../../compose-images.js";
import { CliError } from "../../errors.js";
import type { CommandResult } from "../../output/reporter.js";
import type { CommandContext } from "../../run-command.js";
import { readHiddenLine, readStdin } from "../../terminal-session.js";

const MAX_SECRET_BYTES = 64 * 1024;

export interface TryLoginOptions {
  readonly user?: string | undefined;
  readonly credentials?: string | undefined;
}

/** `image login`: says whether a registry takes credentials. They are not stored anywhere. */
export async function tryLogin(
  context: CommandContext,
  registry: string,
  options: TryLoginOptions,
): Promise<CommandResult> {
  if ((options.user === undefined) === (options.credentials === undefined)) {
    throw new CliError("ERR_CLI_USAGE", "image login needs either --user or --credentials", {
      hint: `Give the secret on stdin: image login --user me ${registry} < token.txt`,
    });
  }
  const { createRegistryClient, isRegistryError } = await import("@molecule-ai/registry-client");
  const { host, credential } = await readCredential(context, registry, options);
  await using client = createRegistryClient({
    credentials: () => Promise.resolve(credential),
    redactor: context.redactor,
    clock: context.clock,
  });
  const user = credential.kind === "password" ? credential.username : "";
  try {
    const { authenticated } = await client.ping(host, { signal: context.signal });
    return {
      data: { registry: host, user, authenticated },
      text: () =>
        authenticated
          ? `${host} takes the credentials of ${user}. Nothing was stored: give --credentials to each command, or use docker login.`
          : `${host} asks for no credentials.`,
    };
  } catch (cause) {
    if (!isRegistryError(cause)) throw cause;
    if (cause.code !== "ERR_REGISTRY_UNAUTHORIZED" && cause.code !== "ERR_REGISTRY_FORBIDDEN") {
      throw cause;
    }
    const { ImageBuildError } = await import("@molecule-ai/image-build");
    throw new ImageBuildError(
      "ERR_PUSH_CREDENTIALS",
      `${host} does not take the credentials of ${user}.`,
      { hint: "Check user and secret; it may have expired or be of another registry.", cause },
    );
  }
}

async function readCredential(
  context: CommandContext,
  registry: string,
  { user, credentials }: TryLoginOptions,
): Promise<{ readonly host: string; readonly credential: RegistryCredential }> {
  const { parseImageReference } = await import("@molecule-ai/registry-mode");
  // A host is one when it can stand before the name of an image.
  const probe = `${registry.replace(/^https?:\/\//, "").replace(/\/+$/, "")}/image`;
  const { domain: host, path } = parseImageReference(probe);
  if (path !== "image" && host !== "docker.io") {
    throw new CliError("ERR_CLI_USAGE", `${registry} is not the host of a registry`, {
      hint: "Give its host alone, with the port if it has one: registry.example.com:5000",
    });
  }
  if (user === undefined) {
    const [login] = await readLogins(context, [`${host}/image`], credentials);
    if (login !== undefined) return { host, credential: login.credential };
  }
  const secret = context.terminal.stdin.isTerminal
    ? await readHiddenLine(`Secret for ${host}: `, { signal: context.signal })
    : await readStdin({ maxBytes: MAX_SECRET_BYTES, signal: context.signal });
  // The newline that an editor or echo puts at the end is not part of it.
  const password = secret.replace(/\r?\n$/, "");
  if (user === undefined || user.includes(":") || user === "" || password === "") {
    throw new CliError("ERR_CLI_USAGE", "image login needs a user without a colon and a secret", {
      hint: `Give the secret on stdin: image login --user me ${host} < token.txt`,
    });
  }
  context.redactor.add(password);
  return { host, credential: { kind: "password", username: user, password } };
}
