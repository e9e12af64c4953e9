import { z } from "zod";
import type { ContainerInfo, ContainerState, ContainerSummary } from "../engine.js";
import { count, flag, instant, labels, strings, text } from "./wire.js";

const STATUSES = [
  "created",
  "running",
  "paused",
  "restarting",
  "removing",
  "exited",
  "dead",
] as const satisfies readonly ContainerState["status"][];

// Podman has words of its own for the same states.
const FOREIGN_STATUSES: Readonly<Record<string, ContainerState["status"]>> = {
  configured: "created",
  initialized: "created",
  stopping: "running",
  stopped: "exited",
};

const STATUS = z
  .string()
  .transform((word) => FOREIGN_STATUSES[word.toLowerCase()] ?? word.toLowerCase())
  .pipe(z.enum(STATUSES));

const HEALTH = z
  .looseObject({ Status: text })
  .nullish()
  .transform((health): ContainerState["health"] => {
    switch (health?.Status) {
      case "starting":
      case "healthy":
      case "unhealthy":
        return health.Status;
      default:
        return "none";
    }
  });

const STATE = z
  .looseObject({
    Status: STATUS,
    Running: flag,
    ExitCode: count,
    OOMKilled: flag,
    Error: text,
    StartedAt: instant,
    FinishedAt: instant,
    Health: HEALTH,
  })
  .transform((state): ContainerState => ({
    status: state.Status,
    running: state.Running,
    exitCode: state.ExitCode,
    oomKilled: state.OOMKilled,
    error: state.Error,
    startedAt: state.StartedAt,
    finishedAt: state.FinishedAt,
    health: state.Health,
  }));

const PORTS = z
  .record(z.string(), z.array(z.looseObject({ HostIp: text, HostPort: text })).nullish())
  .nullish()
  .transform((ports) =>
    Object.fromEntries(
      Object.entries(ports ?? {}).map(([port, bindings]) => [
        port,
        (bindings ?? []).map(({ HostIp, HostPort }) => ({ ip: HostIp, port: Number(HostPort) })),
      ]),
    ),
  );

const MOUNT = z
  .looseObject({
    Type: text,
    Name: z.string().optional(),
    Source: text,
    Destination: text,
    RW: flag,
  })
  .transform((mount) => ({
    type: mount.Type,
    name: mount.Name,
    source: mount.Source,
    destination: mount.Destination,
    writable: mount.RW,
  }));

const RECORD = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((record) => record ?? {});

/** `GET /containers/{id}/json`. */
export const CONTAINER: z.ZodType<ContainerInfo> = z
  .looseObject({
    Id: z.string(),
    Name: z.string(),
    Image: text,
    Created: instant,
    RestartCount: count,
    State: STATE,
    Config: RECORD,
    HostConfig: RECORD,
    Mounts: z.array(MOUNT).nullish(),
    NetworkSettings: z
      .looseObject({
        Ports: PORTS,
        Networks: z
          .record(z.string(), z.looseObject({ IPAddress: text, Aliases: strings }))
          .nullish(),
      })
      .nullish(),
  })
  .transform((container): ContainerInfo => {
    const config = CONFIG.parse(container.Config);
    return {
      id: container.Id,
      name: withoutSlash(container.Name),
      image: container.Image,
      imageRef: config.Image,
      labels: config.Labels,
      state: container.State,
      restartCount: container.RestartCount,
      createdAt: container.Created ?? 0,
      env: config.Env,
      ports: container.NetworkSettings?.Ports ?? {},
      mounts: container.Mounts ?? [],
      networks: Object.fromEntries(
        Object.entries(container.NetworkSettings?.Networks ?? {}).map(([name, network]) => [
          name,
          { ip: network.IPAddress, aliases: network.Aliases },
        ]),
      ),
      hostConfig: container.HostConfig,
      config: container.Config,
    };
  });

const CONFIG = z.looseObject({ Image: text, Labels: labels, Env: strings });

/** One entry of `GET /containers/json`. */
export const CONTAINER_SUMMARY: z.ZodType<ContainerSummary> = z
  .looseObject({
    Id: z.string(),
    Names: strings,
    Image: text,
    ImageID: text,
    Labels: labels,
    State: STATUS,
    Created: count,
    Ports: z
      .array(
        z.looseObject({
          IP: z.string().optional(),
          PrivatePort: count,
          PublicPort: z.number().optional(),
          Type: text,
        }),
      )
      .nullish(),
  })
  .transform((container): ContainerSummary => ({
    id: container.Id,
    // A linked container also carries the names its peers know it by, with a slash in them.
    name:
      container.Names.map(withoutSlash).find((name) => !name.includes("/")) ??
      container.Id.slice(0, 12),
    image: container.Image,
    imageId: container.ImageID,
    labels: container.Labels,
    status: container.State,
    createdAt: container.Created * 1000,
    ports: (container.Ports ?? []).flatMap(({ IP, PrivatePort, PublicPort, Type }) =>
      PublicPort === undefined
        ? []
        : [{ container: `${PrivatePort}/${Type}`, ip: IP ?? "", port: PublicPort }],
    ),
  }));

function withoutSlash(name: string): string {
  return name.replace(/^\//, "");
}
