import { expectStatus, timeEach } from "./load-scenario.js";
import type { ServerProcess } from "./server-process.js";

export interface FleetMember {
  readonly id: string;
  readonly token: string;
}

/** External workspaces with a token each: rows and requests without an engine. */
export async function makeFleet(server: ServerProcess, count: number): Promise<FleetMember[]> {
  const members: FleetMember[] = [];
  await timeEach(count, 16, async (index) => {
    const created = await server.call("POST", "/workspaces", {
      body: { name: `agent ${index}`, external: true },
    });
    expectStatus(created, 201);
    const id = String(created.body.id);
    const issued = await server.call("POST", `/workspaces/${id}/tokens`);
    expectStatus(issued, 201);
    members.push({ id, token: String(issued.body.auth_token) });
  });
  return members;
}
