/**
 * Where a sandboxed workspace may write beside its config volume. All of it is memory, counts
 * against the memory limit and is gone after a stop. A tmpfs hides what the image has at its path,
 * so only paths are listed that images leave empty or fill from a skeleton.
 */
export const SANDBOX_TMPFS: Readonly<Record<string, string>> = {
  "/tmp": "rw,noexec,nosuid,size=64m",
  // What node and build tools unpack and run; TMPDIR points here.
  "/var/tmp": "rw,exec,nosuid,nodev,size=64m,mode=1777",
  "/home/agent": "rw,exec,nosuid,nodev,size=128m,mode=0755,uid=1000,gid=1000",
  "/workspace": "rw,exec,nosuid,nodev,size=128m,mode=0755,uid=1000,gid=1000",
  "/run": "rw,noexec,nosuid,nodev,size=16m,mode=0755",
  "/root/.cache": "rw,noexec,nosuid,nodev,size=64m,mode=0700",
  "/root/.claude/sessions": "rw,noexec,nosuid,nodev,size=16m,mode=1777",
};

/**
 * What an entrypoint needs that starts as root, gives directories to uid 1000, writes into them and
 * then becomes that user. KILL is for the init, which could not pass SIGTERM on without it.
 */
export const SANDBOX_CAPABILITIES: readonly string[] = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "KILL",
  "SETGID",
  "SETUID",
];

/** Environment that makes programs write where a sandboxed workspace may also execute. */
export const SANDBOX_ENVIRONMENT: Readonly<Record<string, string>> = { TMPDIR: "/var/tmp" };
