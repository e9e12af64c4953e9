/** Where on the host a port is published. */
export interface PortBinding {
  readonly HostIp: string;
  /** Empty lets the engine choose. */
  readonly HostPort: string;
}

/**
 * The part of the engine's `HostConfig` that this project sets, in the engine's own words. An absent
 * field means the engine's default.
 */
export type HostConfig = {
  /** `source:target[:ro]`, in the order they are given. */
  readonly Binds: readonly string[];
  readonly RestartPolicy: { readonly Name: "unless-stopped" };
  /** A network by name, or `host`. */
  readonly NetworkMode: string;
  readonly ExtraHosts: readonly string[];
  /** By container port, e.g. `8000/tcp`. */
  readonly PortBindings?: Readonly<Record<string, readonly PortBinding[]>>;
  /** An init of the engine's as process 1, which reaps orphans and passes signals on. */
  readonly Init?: true;
  readonly ReadonlyRootfs?: true;
  /** Mount options by path. */
  readonly Tmpfs?: Readonly<Record<string, string>>;
  readonly CapDrop?: readonly string[];
  readonly CapAdd?: readonly string[];
  readonly SecurityOpt?: readonly "no-new-privileges"[];
  readonly Privileged?: true;
  readonly PidMode?: "host";
  /** Bytes. */
  readonly Memory?: number;
  /** Billionths of a CPU. */
  readonly NanoCpus?: number;
  /** Processes and threads together. */
  readonly PidsLimit?: number;
  /** OCI runtime by its name in the engine. */
  readonly Runtime?: string;
};
