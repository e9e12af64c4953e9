import fc from "fast-check";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseInspect } from "./parse-inspect.js";

const captured = (name: string): string =>
  readFileSync(join(import.meta.dirname, "../../test/fixtures", name), "utf8");

describe("what buildx inspect prints", () => {
  test("of the engine itself", () => {
    expect(parseInspect(captured("buildx-0.13.1-inspect-docker.txt"))).toMatchObject({
      name: "default",
      driver: "docker",
      lastActivity: undefined,
      complete: true,
      nodes: [
        {
          name: "default",
          endpoint: "default",
          status: "running",
          buildkitVersion: "v0.8+unknown",
          platforms: ["linux/amd64", "linux/386"],
        },
      ],
    });
  });

  test("of a builder that does not run, with its options", () => {
    const text = captured("buildx-0.13.1-inspect-docker-container-inactive.txt");
    expect(parseInspect(text)).toMatchObject({
      name: "molecule-c1",
      driver: "docker-container",
      complete: true,
      nodes: [
        {
          status: "inactive",
          endpoint: "unix:///var/run/docker.sock",
          driverOptions: {
            "cpu-period": "100000",
            "cpu-quota": "150000",
            memory: "2147483648",
            "memory-swap": "2147483648",
          },
          flags: "--allow-insecure-entitlement=network.host",
        },
      ],
    });
  });

  test("keeps every node", () => {
    const { nodes } = parseInspect(captured("buildx-0.13.1-inspect-two-nodes.txt"));
    expect(nodes.map(({ name, endpoint, status }) => [name, endpoint, status])).toEqual([
      ["two0", "tcp://127.0.0.1:12345", "running"],
      ["two1", "tcp://127.0.0.1:9", "inactive"],
    ]);
  });

  test("of older versions: Buildkit, Flags and Keep Bytes", () => {
    const [node] = parseInspect(
      "Name: b\nDriver: docker-container\n\nNodes:\nName: b0\nEndpoint: e\nStatus: running\nFlags: --debug\nBuildkit: v0.11.6\n" +
        "GC Policy rule#0:\n All: false\n Filters: type==source.local\n Keep Duration: 48h0m0s\n Keep Bytes: 488.3MiB\nGC Policy rule#1:\n All: true\n Keep Bytes: 9.313GiB\n",
    ).nodes;
    expect(node).toMatchObject({ buildkitVersion: "v0.11.6", flags: "--debug" });
    expect(node?.gcRules).toEqual([
      {
        all: false,
        scope: "type==source.local",
        keepDuration: "48h0m0s",
        keepBytes: "488.3MiB",
      },
      { all: true, scope: "", keepBytes: "9.313GiB" },
    ]);
  });

  test("of newer versions: labels, devices and files do not get mixed with anything else", () => {
    const [node] = parseInspect(
      "Name: b\nDriver: remote\n\nNodes:\nName: b0\nEndpoint: e\nStatus: running\nBuildKit version: v0.20.0\nPlatforms: linux/amd64*, linux/arm64\nLabels:\n org.mobyproject.buildkit.worker.snapshotter: overlayfs\n Status: not a status\nDevices:\n Name: vendor.com/gpu\n On-Demand: true\nGC Policy rule#0:\n All: true\nFile#buildkitd.toml:\n > Status: stopped\n > Name: x\n",
    ).nodes;
    expect(node).toMatchObject({
      name: "b0",
      status: "running",
      platforms: ["linux/amd64*", "linux/arm64"],
      labels: {
        "org.mobyproject.buildkit.worker.snapshotter": "overlayfs",
        Status: "not a status",
      },
      gcRules: [{ all: true, scope: "" }],
    });
  });

  test("of a node that fails", () => {
    const info = parseInspect(
      "Name: b\nDriver: remote\nError: worse\n\nNodes:\nName: b0\nEndpoint: e\nError: dial tcp: refused\n",
    );
    expect(info.error).toBe("worse");
    expect(info.nodes[0]).toMatchObject({ status: "error", error: "dial tcp: refused" });
  });

  test("is not relied upon when driver, status or endpoint are missing", () => {
    expect(parseInspect("Driver: docker\nStatus: running\n").complete).toBe(false);
    expect(parseInspect("").complete).toBe(false);
  });

  test("may be anything: no throw, no control characters, in linear time", () => {
    const words = fc.constantFrom(
      "Nodes:\n",
      "Name: ",
      "Driver: ",
      "Labels:\n",
      " a:",
      "GC Policy rule#0:\n",
      " All: true\n",
      'Driver Options: a="',
      "\\",
      "\u001b[31m",
      "\n",
      "__proto__: x\n",
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(words, fc.string({ unit: "binary" }))), (parts) => {
        const info = parseInspect(parts.join(""));
        // oxlint-disable-next-line no-control-regex
        expect(JSON.stringify(info.nodes)).not.toMatch(/\\u00[01]|[\u0000-\u001f]/);
      }),
    );
    // Processor time: a busy machine does not make it longer.
    const { user } = process.cpuUsage();
    for (const piece of ['a="', "a", 'a="\\', "Labels:\n a:\n", "GC Policy rule#"]) {
      parseInspect(`Nodes:\nName: a\nDriver Options: ${piece.repeat(300_000 / piece.length)}`);
    }
    expect(process.cpuUsage().user - user).toBeLessThan(5_000_000);
  });
});
