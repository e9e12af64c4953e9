import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createBuildx, type Buildx } from "../buildx/buildx.js";
import { listBuilders } from "./list-builders.js";

const { signal } = new AbortController();
let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "molecule-list-"));
});
afterEach(() => rm(home, { recursive: true, force: true }));

async function program(script: string): Promise<Buildx> {
  const file = join(home, "docker-buildx");
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
  return createBuildx({ command: { file, args: [] }, env: { PATH: "/usr/bin:/bin" } });
}

test("a buildx without JSON is asked for each builder of its table", async () => {
  const buildx = await program(`case "$*" in
version) echo "github.com/docker/buildx v0.12.1 30feaa1" ;;
ls) cat <<'TABLE'
NAME/NODE         DRIVER/ENDPOINT             STATUS  BUILDKIT PLATFORMS
molecule-1        docker-container
  molecule-10     unix:///var/run/docker.sock running v0.12.5  linux/amd64
default *         docker
  default         default                     running v0.8     linux/amd64
TABLE
;;
"inspect gone") echo 'ERROR: no builder "gone" found' >&2; exit 1 ;;
inspect*) printf 'Name: %s\\nDriver: docker\\n\\nNodes:\\nName: n\\nEndpoint: e\\nStatus: running\\n' "$2" ;;
esac`);
  const names = async (prefix?: string): Promise<readonly string[]> =>
    (await listBuilders({ buildx, signal, prefix })).map(({ name }) => name);
  expect(await names()).toEqual(["molecule-1", "default"]);
  expect(await names("molecule-")).toEqual(["molecule-1"]);
});

test("a list that cannot be had is an error with what buildx said", async () => {
  const buildx = await program(
    'case "$1" in version) echo "github.com/docker/buildx v0.13.1 a" ;; *) echo "ERROR: store is locked" >&2; exit 1 ;; esac',
  );
  await expect(listBuilders({ buildx, signal })).rejects.toMatchObject({
    code: "ERR_BUILDER",
    message: "The builders cannot be listed: store is locked.",
  });
});

test("a list that takes too long ends at the deadline", async () => {
  const buildx = await program(
    'case "$1" in version) echo "github.com/docker/buildx v0.13.1 a" ;; *) exec sleep 60 ;; esac',
  );
  await expect(listBuilders({ buildx, signal, timeoutMs: 300 })).rejects.toMatchObject({
    code: "ERR_DEADLINE",
  });
});
