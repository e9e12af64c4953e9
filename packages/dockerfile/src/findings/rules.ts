import type { Finding, Severity } from "../inventory.js";

interface Rule {
  readonly severity: Severity;
  /** What is wrong in general: one phrase. */
  readonly title: string;
  readonly remedy: string;
}

/** Ids are never renamed or used again. */
export type FindingRule =
  | "add-url-without-checksum"
  | "base-latest"
  | "base-unpinned"
  | "base-unresolved"
  | "check-switched-off"
  | "curl-to-shell"
  | "download-over-http"
  | "download-without-checksum"
  | "not-buildable"
  | "package-unpinned"
  | "root-user"
  | "secret-in-arg"
  | "secret-in-env"
  | "secret-in-run"
  | "sudo";

/** Every rule by its id. */
export const FINDING_RULES: Readonly<Record<FindingRule, Rule>> = {
  "add-url-without-checksum": {
    severity: "medium",
    title: "ADD of a URL whose content nothing checks",
    remedy: "Give ADD --checksum=sha256:… of the file.",
  },
  "base-latest": {
    severity: "high",
    title: "base image without a tag, or with latest",
    remedy: "Name a version and its digest: image:1.2.3@sha256:….",
  },
  "base-unpinned": {
    severity: "medium",
    title: "base image whose tag can be moved",
    remedy: "Add the digest behind the tag: image:1.2.3@sha256:….",
  },
  "base-unresolved": {
    severity: "low",
    title: "base image that only build arguments decide",
    remedy: "Give the ARG a default, pinned to a digest.",
  },
  "check-switched-off": {
    severity: "high",
    title: "download or installation that accepts any server or content",
    remedy: "Remove the option, and add the certificate or key that is missing.",
  },
  "curl-to-shell": {
    severity: "high",
    title: "script from the network run unread",
    remedy: "Download the script, check it against a checksum in the Dockerfile, then run it.",
  },
  "download-over-http": {
    severity: "medium",
    title: "download that anybody on the way can change",
    remedy: "Use https.",
  },
  "download-without-checksum": {
    severity: "medium",
    title: "download whose content nothing checks",
    remedy: 'Check it in the same RUN: echo "<sha256>  <file>" | sha256sum -c -.',
  },
  "not-buildable": {
    severity: "high",
    title: "text no builder accepts",
    remedy: "Correct the Dockerfile; `docker build --check` tells more.",
  },
  "package-unpinned": {
    severity: "low",
    title: "package whose version the day of the build decides",
    remedy: "Name an exact version, or install from a lock file.",
  },
  "root-user": {
    severity: "medium",
    title: "image whose programs run as root",
    remedy: "End the last stage with USER and a user that is not root.",
  },
  "secret-in-arg": {
    severity: "high",
    title: "build argument that looks like a secret",
    remedy: "Use RUN --mount=type=secret: build arguments stay in the image's history.",
  },
  "secret-in-env": {
    severity: "high",
    title: "environment variable that looks like a secret",
    remedy: "Give it to the container when it starts: ENV can be read in the image.",
  },
  "secret-in-run": {
    severity: "high",
    title: "secret in a command",
    remedy: "Use RUN --mount=type=secret: commands stay in the image's history.",
  },
  sudo: {
    severity: "low",
    title: "sudo in a build step",
    remedy: "Use USER root before the step and USER again behind it, and leave sudo out.",
  },
};

/** A finding of that rule. */
export function finding(
  rule: FindingRule,
  message: string,
  place: { readonly line: number; readonly stageIndex?: number | undefined },
): Finding {
  const { severity, remedy } = FINDING_RULES[rule];
  const { line, stageIndex } = place;
  return {
    rule,
    severity,
    line,
    ...(stageIndex === undefined ? {} : { stageIndex }),
    message,
    remedy,
  };
}

const RANKS: Readonly<Record<Severity, number>> = { low: 1, medium: 2, high: 3 };

/** Whether a severity is that of the threshold or above it. */
export function isAtLeast(severity: Severity, threshold: Severity): boolean {
  return RANKS[severity] >= RANKS[threshold];
}
