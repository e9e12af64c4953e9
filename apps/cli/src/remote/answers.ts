import { z } from "zod";

/** What the program reads of the server's answers; everything else in them is ignored. */

const text = (longest: number): z.ZodString => z.string().max(longest);
const name = text(1024);
const moment = z.iso.datetime({ offset: true });

const why = z.object({
  operation_id: z.uuid().nullable(),
  kind: name.nullable(),
  state: name.nullable(),
  stage: name.nullable(),
  code: name.nullable(),
  message: text(16 * 1024).nullable(),
});

/** What was said of the image of a start. */
export const admissionAnswer = z.object({
  decision: z.enum(["allowed", "warned", "refused"]),
  image: name,
  at: moment,
  findings: z
    .array(
      z.object({
        rule: name,
        effect: z.enum(["warn", "refuse"]),
        message: text(4096),
        remedy: text(4096),
      }),
    )
    .max(100),
  passed: z.array(name).max(100),
});
export type AdmissionAnswer = z.infer<typeof admissionAnswer>;

export const provenanceAnswer = z.object({
  builder: text(4096),
  build_type: text(4096),
  repository: text(4096).nullable(),
  commit: name.nullable(),
  started_at: name.nullable(),
  finished_at: name.nullable(),
  built_from: z.array(z.object({ uri: text(4096), digest: name.nullable() })).max(1000),
});

/** Every status of a workspace behind a server. */
export const SERVER_STATUSES = [
  "provisioning",
  "awaiting_agent",
  "online",
  "degraded",
  "offline",
  "failed",
  "paused",
  "hibernating",
  "hibernated",
  "removed",
] as const;

export const workspaceAnswer = z.object({
  id: z.uuid(),
  name,
  runtime: name,
  tier: z.int(),
  status: z.enum(SERVER_STATUSES),
  url: text(2048).nullable(),
  parent_id: z.uuid().nullish(),
  created_at: moment,
  // A server tells these to the owner and the administrator only.
  tier_applied: z.int().nullish(),
  image: name.nullish(),
  runtime_image_digest: name.nullish(),
  image_revision: name.nullish(),
  image_tree: name.nullish(),
  admission: admissionAnswer.nullish(),
  why: why.optional(),
});
export type WorkspaceAnswer = z.infer<typeof workspaceAnswer>;

export const operationReference = z.object({ id: z.uuid(), state: name });
export type OperationReference = z.infer<typeof operationReference>;

/** Answers to commands: what operations were begun. */
export const begun = z.object({ operations: z.array(operationReference).default([]) });
export const created = begun.extend({
  id: z.uuid(),
  warnings: z.array(text(4096)).default([]),
});
export const operationAnswer = z.object({
  id: z.uuid(),
  state: z.enum(["waiting", "queued", "running", "succeeded", "failed", "cancelled"]),
  stage: name.nullable(),
  timings: z.array(z.object({ stage: name, duration_ms: z.number() })).nullable(),
  error: z
    .object({
      code: z.string().regex(/^ERR_[A-Z0-9_]{1,80}$/),
      message: text(16 * 1024),
      hint: text(4096).nullable(),
      log_tail: text(64 * 1024).nullable(),
    })
    .nullable(),
});
export type OperationAnswer = z.infer<typeof operationAnswer>;

/** The data of one event of an event stream. */
export const eventAnswer = z.object({
  event_type: name,
  operation_id: z.uuid().nullable(),
  payload: z.looseObject({}),
});
export type EventAnswer = z.infer<typeof eventAnswer>;

export const stagePayload = z.object({
  stage: name,
  state: z.enum(["started", "finished", "failed"]),
  subject: text(4096).optional(),
  outcome: text(4096).optional(),
  code: name.optional(),
  duration_ms: z.number().nonnegative().optional(),
});

export const logAnswer = z.object({
  at: text(64),
  stream: z.enum(["stdout", "stderr"]),
  line: z.string(),
});

export const buildsAnswer = z.object({
  builds: z.array(z.object({ id: z.uuid(), operation_id: z.uuid() })),
});
export const buildLogAnswer = z.object({
  stream: z.enum(["stdout", "stderr", "step"]),
  line: z.string(),
});

const named = z.object({ name });
export const sweepAnswer = z.object({
  removed: z.array(named),
  kept: z.array(named.extend({ reason: text(4096) })),
  failed: z.array(named.extend({ code: name })),
});

export const imagesAnswer = z.object({
  runtimes: z.array(
    z.object({
      runtime: name,
      in_use: z.array(
        z.object({
          image: name.nullable(),
          image_id: name.nullable(),
          revision: name.nullable(),
          workspace_ids: z.array(z.uuid()),
        }),
      ),
    }),
  ),
});
