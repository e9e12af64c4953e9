import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installPackages, mayInstallPackages } from "./debian.mjs";
import { run } from "./process.mjs";

/** What the example templates build on. */
export const BASE_IMAGE = "molecule-local/base:bookworm";

const HUB_IMAGE = "debian:bookworm-slim";
const PULL_IDLE_MS = 20_000;
const SUITE = "bookworm";
const MIRROR = "http://deb.debian.org/debian";
const PACKAGES = ["python3", "ca-certificates"];

/**
 * @typedef {object} BaseContext
 * @property {import("@molecule-ai/docker-engine").DockerEngine} engine
 * @property {AbortSignal} signal
 * @property {string} log
 */

/**
 * Makes sure the base image is on the engine: as it is, else pulled from the hub, else made here
 * from Debian's own packages. An abort or a failure leaves no image and no directory behind.
 * @param {BaseContext} context
 * @returns {Promise<string>} How it was come by.
 */
export async function ensureBaseImage(context) {
  const { engine, signal } = context;
  if ((await engine.images.inspect(BASE_IMAGE, { signal })) !== undefined) return "present";
  const pullError = await pullBase(context);
  if (pullError === undefined) return `pulled as ${HUB_IMAGE}`;
  if (!(await mayInstallPackages())) {
    throw new Error(
      [
        `The base image ${BASE_IMAGE} is not on the engine, and ${HUB_IMAGE} cannot be pulled:`,
        `  ${pullError.message}`,
        "As root on Debian or Ubuntu this command makes it from Debian's packages. Elsewhere give",
        "the engine any Debian 12 image under that name:",
        `  docker pull ${HUB_IMAGE} && docker tag ${HUB_IMAGE} ${BASE_IMAGE}`,
      ].join("\n"),
      { cause: pullError },
    );
  }
  await bootstrapBase(context);
  return "made with debootstrap, because the hub cannot be reached";
}

/**
 * @param {BaseContext} context
 * @returns {Promise<Error | undefined>} Why it cannot be pulled.
 */
async function pullBase({ engine, signal }) {
  const idle = new AbortController();
  const timer = setTimeout(() => {
    idle.abort(new Error(`no progress for ${PULL_IDLE_MS / 1000} s`));
  }, PULL_IDLE_MS);
  const pullSignal = AbortSignal.any([signal, idle.signal]);
  try {
    const local = await engine.images.inspect(HUB_IMAGE, { signal });
    if (local === undefined) {
      await engine.images.pull(HUB_IMAGE, { signal: pullSignal, onEvent: () => timer.refresh() });
    }
    await engine.images.tag(HUB_IMAGE, BASE_IMAGE, { signal });
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    return /** @type {Error} */ (error);
  } finally {
    clearTimeout(timer);
  }
}

/** @param {BaseContext} context */
async function bootstrapBase({ engine, signal, log }) {
  await installPackages(["debootstrap", "debian-archive-keyring"], { signal, log });
  const dir = await mkdtemp(join(tmpdir(), "molecule-base-"));
  try {
    const include = `--include=${PACKAGES.join(",")}`;
    await run("debootstrap", ["--variant=minbase", include, SUITE, dir, MIRROR], { signal, log });
    await rm(join(dir, "var/cache/apt/archives"), { recursive: true, force: true });
    await importTree({ engine, signal }, dir);
  } finally {
    await unmountBelow(dir);
    await rm(dir, { recursive: true, force: true });
  }
}

/**
 * @param {Pick<BaseContext, "engine" | "signal">} context
 * @param {string} dir
 */
async function importTree({ engine, signal }, dir) {
  const args = [
    "--one-file-system",
    "--exclude=./proc/*",
    "--exclude=./sys/*",
    "-C",
    dir,
    "-c",
    ".",
  ];
  const tar = spawn("tar", args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(tar, "close");
  try {
    await engine.images.import(tar.stdout, BASE_IMAGE, { signal });
    const [code] = await ended;
    if (code === 0) return;
    await engine.images.remove(BASE_IMAGE, { signal });
    throw new Error(`tar ended with exit code ${code}`);
  } finally {
    tar.kill("SIGKILL");
  }
}

/**
 * debootstrap mounts /proc in the tree while it works; cut short, it leaves it mounted, and removing
 * the tree would then go through it.
 * @param {string} dir
 */
async function unmountBelow(dir) {
  const mounts = await readFile("/proc/mounts", "utf8");
  const points = mounts
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((point) => point.startsWith(`${dir}/`));
  for (const point of points.reverse()) await run("umount", ["--lazy", point]);
}
