import { z } from "zod";
import type { VolumeApi, VolumeInfo } from "../engine.js";
import { enginePath, type Transport } from "./transport.js";
import { filters, instant, labels, text } from "./wire.js";

const VOLUME = z
  .looseObject({ Name: z.string(), Labels: labels, Driver: text, CreatedAt: instant })
  .transform((volume): VolumeInfo => ({
    name: volume.Name,
    labels: volume.Labels,
    driver: volume.Driver,
    createdAt: volume.CreatedAt,
  }));

const VOLUME_LIST = z.looseObject({ Volumes: z.array(VOLUME).nullish() });

export function createVolumeApi(transport: Transport): VolumeApi {
  return {
    create: async (volume, options) =>
      transport.json(
        {
          method: "POST",
          path: "/volumes/create",
          json: { Name: volume.name, Labels: volume.labels },
          subject: `Create volume ${volume.name}`,
          signal: options?.signal,
        },
        VOLUME,
      ),
    inspect: async (name, options) =>
      transport.find(
        {
          method: "GET",
          path: enginePath`/volumes/${name}`,
          subject: `Inspect volume ${name}`,
          signal: options?.signal,
        },
        VOLUME,
      ),
    async list(filter, options) {
      const list = await transport.json(
        {
          method: "GET",
          path: "/volumes",
          query: { filters: filters({ label: filter?.labels }) },
          subject: "List volumes",
          signal: options?.signal,
        },
        VOLUME_LIST,
      );
      return list.Volumes ?? [];
    },
    async remove(name, options) {
      const answer = await transport.call(
        {
          method: "DELETE",
          path: enginePath`/volumes/${name}`,
          subject: `Remove volume ${name}`,
          signal: options?.signal,
        },
        [200, 204, 404],
      );
      return answer.status !== 404;
    },
  };
}
