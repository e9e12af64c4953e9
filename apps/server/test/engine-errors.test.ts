import { ProvisionerError } from "@molecule-ai/core";
import { expect, it } from "vitest";
import { createOnline } from "./support/fleet.js";
import { startTestServer } from "./support/test-server.js";

it("keeps the engine's own words to the log", async () => {
  await using server = await startTestServer();
  const id = await createOnline(server);
  server.host.before("inspect", () => {
    throw new ProvisionerError("ERR_ENGINE_SERVER", "open /var/lib/engine/0c1f: no such file", {
      hint: "look at tcp://10.1.2.3:2376",
      details: { path: "/var/lib/engine" },
    });
  });
  const { status, body } = await server.request(`/workspaces/${id}/logs`);
  expect([status, (body as { code: string }).code]).toEqual([500, "ERR_ENGINE_SERVER"]);
  expect(JSON.stringify(body)).not.toMatch(/var.lib|10\.1\.2\.3/);
});
