import { parseTrustLevel } from "../options/trust-level.js";
import { collect, JSON_OPTION, type Program, type RunCommand } from "./program-parts.js";

const REFERENCE = ["<reference>", "image by its digest: repository@sha256:…"] as const;

/** Who vouches for an image, and can it be built again. */
export function addTrustCommands(program: Program, run: RunCommand): void {
  program.commandsGroup("Trust:");

  program
    .command("why")
    .description("say where a workspace's image is from, who built it, and what the policy says")
    .argument("<workspace>", "id, at least 4 characters of it, or name")
    .option(...JSON_OPTION)
    .action((workspace, options) =>
      run("why", options, async (context) =>
        (await import("../commands/why.js")).why(context, workspace),
      ),
    );

  program
    .command("rebuild")
    .description("build the same thing twice without a cache and compare it, file by file")
    .argument("<runtime|directory>", "a runtime's template, or a directory with a Dockerfile")
    .option(
      "--at-least <level>",
      "viable, consistent, deterministic or reproducible; less is exit code 1",
      parseTrustLevel,
      "deterministic" as const,
    )
    .option("--ref <ref>", "branch, tag or commit of the template")
    .option("--platform <platform>", "os/arch of the image, for example linux/arm64")
    .option("-f, --file <path>", "the Dockerfile, inside the directory")
    .option(
      "--second-backend <backend>",
      "build the second time with this one, as MOLECULE_BUILD_BACKEND names them",
    )
    .option("--no-rewrite-timestamps", "compare the images as they come, times and all")
    .option(...JSON_OPTION)
    .action((subject, options) =>
      run("rebuild", options, async (context) =>
        (await import("../commands/rebuild.js")).rebuild(context, subject, options),
      ),
    );

  const trust = program
    .command("trust")
    .description("sign, attest and verify images")
    .usage("<command> [options]")
    .helpCommand("help [command]", "print help of a command")
    .enablePositionalOptions();

  signingCommand(trust, "sign")
    .description("sign an image with cosign")
    .option("--recursive", "also every image of an index")
    .action((reference, options) =>
      run("trust sign", options, async (context) =>
        (await import("../commands/trust/sign.js")).sign(context, reference, options),
      ),
    );

  signingCommand(trust, "attest")
    .description("attest the provenance that was kept of a build, or a predicate of your own")
    .option("--predicate <path>", "file with the predicate alone")
    .option("--type <type>", "its type: slsaprovenance1, cyclonedx, spdxjson or a URI")
    .action((reference, options) =>
      run("trust attest", options, async (context) =>
        (await import("../commands/trust/attest.js")).attest(context, reference, options),
      ),
    );

  trust
    .command("verify")
    .description("check that somebody trusted signed exactly this image; needs no cosign")
    .argument(...REFERENCE)
    .option(
      "--key <path>",
      "a public key that counts, instead of the policy (repeatable)",
      collect,
      [],
    )
    .option(
      "--credentials <prefix>",
      "take user and secret from <PREFIX>_USER and <PREFIX>_TOKEN (default: Docker's own credentials)",
    )
    .option(...JSON_OPTION)
    .action((reference, options) =>
      run("trust verify", options, async (context) =>
        (await import("../commands/trust/verify.js")).verify(context, reference, options),
      ),
    );
}

/** What `sign` and `attest` have in common: who signs. */
function signingCommand(trust: Program, name: string) {
  return trust
    .command(name)
    .argument(...REFERENCE)
    .option("--key <key>", "key file, env:NAME, KMS or PKCS#11 URI (default: COSIGN_KEY)")
    .option("--keyless", "sign with an identity instead of a key")
    .option("--identity-token-file <path>", "file with the token of that identity")
    .option("--hardware", "sign with a hardware token")
    .option("--transparency", "put the signature into the public transparency log")
    .option("--insecure-registry", "the registry speaks no TLS, or with a certificate of its own")
    .option(...JSON_OPTION);
}
