import type { Buildx } from "@molecule-ai/image-build";
import { CliError } from "../../errors.js";

/** For commands about builders, which there are none of without buildx. */
export function requireBuildx(buildx: Buildx | undefined): Buildx {
  if (buildx !== undefined) return buildx;
  throw new CliError("ERR_CLI_USAGE", "There is no buildx on this machine", {
    hint: "Install it (on Debian: apt-get install docker-buildx), or name it with MOLECULE_BUILDX_PATH.",
  });
}
