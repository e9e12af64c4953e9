import { describe, expect, it } from "vitest";
import { planOutput, type OutputRequest } from "./output-strategy.js";

const all = {
  load: true,
  push: true,
  multiPlatform: true,
  multiPlatformLoad: true,
  ociLayout: true,
};
const two = ["linux/amd64", "linux/arm64"];
const plan = (
  request: Partial<OutputRequest>,
  capabilities: Partial<OutputRequest["capabilities"]> = {},
): ReturnType<typeof planOutput> =>
  planOutput({
    platforms: ["linux/amd64"],
    hasRegistries: false,
    local: false,
    ...request,
    capabilities: { ...all, ...capabilities },
  });

describe("where the result of a build goes", () => {
  it("is the engine for one platform, and it is pushed from there", () => {
    expect(plan({ hasRegistries: true })).toMatchObject({
      output: { load: true },
      pushAfterwards: true,
    });
    expect(plan({ hasRegistries: true, local: true })).toMatchObject({ pushAfterwards: false });
  });

  it("is the registry for several platforms, and for a builder that cannot load", () => {
    const pushed = { output: { load: false, push: true }, pushAfterwards: false };
    expect(plan({ hasRegistries: true, platforms: two })).toMatchObject(pushed);
    expect(plan({ hasRegistries: true }, { load: false })).toMatchObject(pushed);
  });

  it("is the layout where there is one, and the engine too unless the layout is kept", () => {
    const layout = { hasRegistries: true, ociLayout: "/o" };
    expect(plan(layout).output).toEqual({ load: true, ociLayout: "/o" });
    expect(plan({ ...layout, keepsLayout: true }).output).toEqual({ load: false, ociLayout: "/o" });
    expect(plan({ ...layout, local: true }).output).toEqual({ load: true, ociLayout: "/o" });
  });

  it.each<[string, Partial<OutputRequest>, Partial<OutputRequest["capabilities"]>, string]>([
    ["several platforms", { platforms: two }, { multiPlatform: false }, "one platform at a time"],
    ["a load of several", { platforms: two }, { multiPlatformLoad: false }, "cannot hold 2"],
    ["a load", {}, { load: false }, "cannot load"],
    ["a layout", { ociLayout: "/o" }, { ociLayout: false }, "no OCI layout"],
    [
      "a push of several",
      { platforms: two, hasRegistries: true },
      { push: false },
      "can push nothing",
    ],
  ])("is refused where the builder cannot do %s", (_, request, capabilities, words) => {
    expect(() => plan(request, capabilities)).toThrow(
      expect.objectContaining({
        code: "ERR_BUILD_BACKEND",
        message: expect.stringContaining(words) as string,
        hint: expect.any(String) as string,
      }),
    );
  });
});
