import { expect, it } from "vitest";
import { bodyOf, create } from "./support/fleet.js";
import { startTestServer } from "./support/test-server.js";

it("records the names of changed members in a bounded space", async () => {
  await using server = await startTestServer();
  const id = await create(server, { external: true });
  const body = { [`${"k".repeat(127)}😀${"k".repeat(200_000)}`]: 1 };
  const answer = await server.request(`/workspaces/${id}/config`, { method: "PATCH", body });
  expect(bodyOf(answer)).toEqual({ status: "updated" });
  const { body: recorded } = await server.request(`/events/${id}?type=CONFIG_UPDATED`);
  expect(JSON.stringify(recorded).length).toBeLessThan(2000);
});
