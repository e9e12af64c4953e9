import { parse, type SemVer } from "semver";
import { describe, expect, test } from "vitest";
import { parseInspect } from "../builders/parse-inspect.js";
import type { BackendCapabilities, BuilderDriver } from "./backend.js";
import {
  buildxCapabilities,
  daemonOfBuilder,
  daemonOfWorkers,
  type DaemonFacts,
} from "./capabilities.js";

const of = (
  driver: BuilderDriver,
  daemon: DaemonFacts,
  buildx = "0.17.0",
  hasEngine = true,
): BackendCapabilities =>
  buildxCapabilities({ driver, daemon, buildxVersion: parse(buildx) as SemVer, hasEngine });
const running = (buildkitVersion: string | undefined, contentStore = true): DaemonFacts => ({
  kind: "running",
  buildkitVersion,
  hasContentStore: contentStore,
});

describe("what buildx can do", () => {
  test("on an engine with the classic store is little", () => {
    expect(of("docker", running("v0.8+unknown", false))).toMatchObject({
      load: true,
      push: true,
      multiPlatform: false,
      multiPlatformLoad: false,
      cacheImports: ["registry", "local"],
      cacheExports: ["inline"],
      attestations: false,
      annotations: false,
      ociLayout: false,
      directoryOutput: true,
      rewriteTimestamps: false,
      namedContexts: false,
      secrets: true,
    });
  });

  test("on an engine with containerd's store is all but caches of clouds", () => {
    expect(of("docker", running("v0.17.0+docker"))).toMatchObject({
      load: true,
      multiPlatform: true,
      multiPlatformLoad: true,
      cacheExports: ["inline", "registry", "local", "gha"],
      attestations: true,
      ociLayout: true,
      rewriteTimestamps: true,
    });
  });

  test.each(["remote", "docker-container", "kubernetes"] as const)(
    "with a daemon of its own (%s) is all but loading several platforms",
    (driver) => {
      expect(of(driver, running("v0.20.0"))).toMatchObject({
        load: true,
        push: true,
        multiPlatform: true,
        multiPlatformLoad: false,
        cacheExports: ["inline", "registry", "local", "gha", "s3", "azblob"],
        attestations: true,
        check: true,
      });
    },
  );

  test("with the BuildKit of an engine behind the remote driver is what that has exporters for", () => {
    expect(of("remote", running(undefined, false))).toMatchObject({
      load: false,
      push: false,
      ociLayout: false,
      directoryOutput: true,
      multiPlatform: true,
      cacheExports: ["inline"],
    });
  });

  test("does not load where there is no engine", () => {
    expect(of("remote", running("v0.20.0"), "0.17.0", false).load).toBe(false);
  });

  test.each([
    ["0.9.1", "v0.20.0", { attestations: false, annotations: false, check: false }],
    ["0.11.2", "v0.20.0", { attestations: true, annotations: false, check: false }],
    ["0.13.1", "v0.20.0", { attestations: true, annotations: true, check: false }],
    ["0.15.0", "v0.20.0", { check: true }],
    ["0.17.0", "v0.10.6", { attestations: false, namedContexts: true, rewriteTimestamps: false }],
    ["0.17.0", "v0.12.5", { attestations: true, rewriteTimestamps: false, check: false }],
    ["0.17.0", "v0.13.0", { rewriteTimestamps: true, check: false }],
    ["0.17.0", undefined, { attestations: false, namedContexts: false, rewriteTimestamps: false }],
  ])("depends on buildx %s and BuildKit %s", (buildx, buildkit, expected) => {
    expect(of("remote", running(buildkit), buildx)).toMatchObject(expected);
  });
});

describe("what is known of a daemon", () => {
  const worker = { id: "w", platforms: [] };
  const labels = { "org.mobyproject.buildkit.worker.snapshotter": "overlayfs" };

  test("is that of its oldest and poorest worker", () => {
    expect(
      daemonOfWorkers([
        { ...worker, labels, buildkitVersion: "v0.20.0" },
        { ...worker, labels: {}, buildkitVersion: "v0.9.0" },
      ]),
    ).toEqual(running("v0.9.0", false));
    expect(
      daemonOfWorkers([
        { ...worker, labels, buildkitVersion: "v0.20.0" },
        { ...worker, labels, buildkitVersion: undefined },
      ]),
    ).toEqual(running(undefined, true));
  });

  test("is nothing while a node does not run", () => {
    const text = "Driver: docker-container\nNodes:\nName: a\nEndpoint: e\nStatus: inactive\n";
    expect(daemonOfBuilder(parseInspect(text))).toEqual({ kind: "not started" });
    expect(daemonOfBuilder(undefined)).toEqual({ kind: "not started" });
    expect(daemonOfWorkers(undefined)).toEqual({ kind: "not started" });
  });
});
