import { findTestEngine } from "@molecule-ai/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AdmissionQuestion } from "../src/index.js";
import { openLab, recordEvents, type Lab } from "./lab.js";

const found = await findTestEngine();

describe.skipIf(found.skip !== undefined)("admission", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await openLab(found.socketPath ?? "");
  });
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  it("is asked with image and tier before anything is made, and a refusal leaves nothing", async () => {
    const asked: AdmissionQuestion[] = [];
    const refusal = new Error("rule sources");
    const provisioner = lab.provisionerOn(lab.backend, lab.image, async (question) => {
      asked.push(question);
      throw refusal;
    });
    const spec = lab.spec({ tier: 1 });
    await expect(provisioner.up(spec)).rejects.toBe(refusal);
    expect(asked).toMatchObject([
      {
        workspaceId: spec.id,
        runtime: "test-agent",
        tier: 1,
        isNamed: false,
        image: { imageId: lab.image.imageId },
      },
    ]);
    expect(await lab.leftovers()).toEqual([]);
  });

  it("lets a warned image start, says so with the remedy, and tells it in the result", async () => {
    const finding = { rule: "maxAgeDays", message: "it is 90 days old", remedy: "Build it again." };
    const provisioner = lab.provisionerOn(lab.backend, lab.image, async () => ({
      decision: "warned",
      findings: [finding],
    }));
    const { events, onEvent } = recordEvents();
    const spec = lab.spec();
    const result = await provisioner.up(spec, { onEvent });
    expect(result.admission).toEqual({ decision: "warned", findings: [finding] });
    expect(events).toContainEqual({
      type: "warning",
      code: "WARN_WORKSPACE_ADMISSION",
      message: expect.stringContaining("rule maxAgeDays: it is 90 days old."),
      hint: "Build it again.",
    });
    await lab.backend.remove(spec.id);
  });

  it("is asked again by a restart, and the old workspace runs on when it is refused", async () => {
    const spec = lab.spec();
    await lab.provisioner.up(spec);
    const refusing = lab.provisionerOn(lab.backend, lab.image, async () => {
      throw new Error("not any more");
    });
    await expect(refusing.restart(spec.id)).rejects.toThrow("not any more");
    expect(await lab.backend.inspect(spec.id)).toMatchObject({ status: "running" });
    await lab.backend.remove(spec.id);
  });
});
