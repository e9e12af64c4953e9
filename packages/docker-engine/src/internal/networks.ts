import { z } from "zod";
import type { NetworkApi, NetworkInfo } from "../engine.js";
import { statusError, isEngineError } from "../errors.js";
import { enginePath, type Transport } from "./transport.js";
import { filters, instant, labels, text } from "./wire.js";

const NETWORK = z
  .looseObject({
    Id: z.string(),
    Name: z.string(),
    Driver: text,
    Labels: labels,
    Created: instant,
    Containers: z.record(z.string(), z.unknown()).nullish(),
  })
  .transform((network): NetworkInfo => ({
    id: network.Id,
    name: network.Name,
    driver: network.Driver,
    labels: network.Labels,
    containers: Object.keys(network.Containers ?? {}),
    createdAt: network.Created,
  }));

const CREATED = z.looseObject({ Id: z.string() });

export function createNetworkApi(transport: Transport): NetworkApi {
  return {
    inspect: async (name, options) =>
      transport.find(
        {
          method: "GET",
          path: enginePath`/networks/${name}`,
          subject: `Inspect network ${name}`,
          signal: options?.signal,
        },
        NETWORK,
      ),
    async create(network, options) {
      const { Id } = await transport.json(
        {
          method: "POST",
          path: "/networks/create",
          // Without CheckDuplicate engines before 25 make a second network of the same name.
          json: {
            Name: network.name,
            CheckDuplicate: true,
            Driver: "bridge",
            Labels: network.labels,
          },
          subject: `Create network ${network.name}`,
          signal: options?.signal,
        },
        CREATED,
      );
      return {
        id: Id,
        name: network.name,
        driver: "bridge",
        labels: network.labels,
        containers: [],
        createdAt: undefined,
      };
    },
    async remove(name, options) {
      const subject = `Remove network ${name}`;
      try {
        const answer = await transport.call(
          {
            method: "DELETE",
            path: enginePath`/networks/${name}`,
            subject,
            signal: options?.signal,
          },
          [200, 204, 404],
        );
        return answer.status !== 404;
      } catch (error) {
        // 403 is this call's word for a network that is in use.
        if (isEngineError(error, "ERR_ENGINE_UNAUTHORIZED")) {
          const { engineMessage } = error.details;
          throw statusError(subject, 409, typeof engineMessage === "string" ? engineMessage : "");
        }
        throw error;
      }
    },
    list: async (filter, options) =>
      transport.json(
        {
          method: "GET",
          path: "/networks",
          query: { filters: filters({ label: filter?.labels }) },
          subject: "List networks",
          signal: options?.signal,
        },
        z.array(NETWORK),
      ),
  };
}
