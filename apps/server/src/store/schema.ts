import { sql } from "drizzle-orm";
import {
  bigint,
  bigserial,
  boolean,
  check,
  customType,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgEnum,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
  uuid,
  type AnyPgColumn,
} from "drizzle-orm/pg-core";
import type { JsonObject, JsonValue } from "@molecule-ai/core";
import type { AdmissionView } from "../api/admission-view.js";
import type { ProvenanceView } from "../api/provenance-view.js";
import { OPERATION_KINDS, OPERATION_STATES } from "../state/operation-state.js";
import { WORKSPACE_STATUSES } from "../state/workspace-status.js";

const bytes = customType<{ data: Uint8Array; driverData: Uint8Array }>({
  dataType: () => "bytea",
  // Both drivers give a Uint8Array, but Buffer has the methods that callers want.
  fromDriver: (value) => Buffer.from(value),
});

const moment = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });
const createdAt = () => moment("created_at").notNull().defaultNow();

export const workspaceStatus = pgEnum("workspace_status", WORKSPACE_STATUSES);
export const operationKind = pgEnum("operation_kind", OPERATION_KINDS);
export const operationState = pgEnum("operation_state", OPERATION_STATES);

export const workspaces = pgTable(
  "workspaces",
  {
    id: uuid("id").primaryKey(),
    name: text("name").notNull(),
    role: text("role").notNull().default(""),
    /** As asked for; `tierApplied` is what the container has. */
    tier: integer("tier").notNull(),
    tierApplied: integer("tier_applied"),
    status: workspaceStatus("status").notNull(),
    /** Counts every write; a writer that read an older one loses. */
    version: integer("version").notNull().default(1),
    /** `external` for an agent that runs somewhere else. */
    runtime: text("runtime").notNull(),
    model: text("model"),
    /** Name of a directory below the configs directory; undefined: the runtime's own. */
    template: text("template"),
    agentCard: jsonb("agent_card").$type<JsonValue>(),
    url: text("url"),
    /** The provisioner stored the URL itself, so it is trusted whatever its address is. */
    urlTrusted: boolean("url_trusted").notNull().default(false),
    internalUrl: text("internal_url"),
    parentId: uuid("parent_id").references((): AnyPgColumn => workspaces.id),
    forwardedTo: uuid("forwarded_to"),
    awarenessNamespace: text("awareness_namespace"),
    workspaceDir: text("workspace_dir"),
    workspaceAccess: text("workspace_access").notNull().default("none"),
    budgetLimit: bigint("budget_limit", { mode: "number" }),
    monthlySpend: bigint("monthly_spend", { mode: "number" }).notNull().default(0),
    maxConcurrentTasks: integer("max_concurrent_tasks").notNull().default(1),
    hibernationIdleMinutes: integer("hibernation_idle_minutes").notNull().default(0),
    collapsed: boolean("collapsed").notNull().default(false),
    canvasX: doublePrecision("canvas_x").notNull().default(0),
    canvasY: doublePrecision("canvas_y").notNull().default(0),
    lastHeartbeatAt: moment("last_heartbeat_at"),
    lastErrorRate: doublePrecision("last_error_rate").notNull().default(0),
    lastSampleError: text("last_sample_error").notNull().default(""),
    activeTasks: integer("active_tasks").notNull().default(0),
    uptimeSeconds: integer("uptime_seconds").notNull().default(0),
    currentTask: text("current_task").notNull().default(""),
    runtimeState: text("runtime_state").notNull().default(""),
    /** The adapter decides itself when it is degraded. */
    managesStatus: boolean("manages_status").notNull().default(false),
    lastOutboundAt: moment("last_outbound_at"),
    /** When it last said that it has something to do, or was started; it sleeps by this. */
    lastActiveAt: moment("last_active_at"),
    imageRef: text("image_ref"),
    imageDigest: text("runtime_image_digest"),
    imageId: text("image_id"),
    imageRevision: text("image_revision"),
    imageTree: text("image_tree"),
    /** How its image came to be; undefined when nobody wrote it down. */
    imageProvenance: jsonb("image_provenance").$type<ProvenanceView>(),
    /** What was said of the image of its last start, also when that was refused. */
    admission: jsonb("admission").$type<AdmissionView>(),
    /** Which engine it lives on; undefined until a worker took its first operation. */
    hostId: text("host_id"),
    provisionStartedAt: moment("provision_started_at"),
    /** The operation that tells why the workspace is what it is. */
    lastOperationId: uuid("last_operation_id"),
    keepVolumes: boolean("keep_volumes").notNull().default(false),
    createdBy: text("created_by").notNull(),
    createdAt: createdAt(),
    updatedAt: moment("updated_at").notNull().defaultNow(),
    removedAt: moment("removed_at"),
  },
  (table) => [
    index("workspaces_status").on(table.status),
    index("workspaces_parent").on(table.parentId),
    index("workspaces_page").on(table.createdAt, table.id),
    check(
      "workspaces_access",
      sql`${table.workspaceAccess} in ('none', 'read_only', 'read_write')`,
    ),
    check("workspaces_tier", sql`${table.tier} between 1 and 4`),
  ],
);

export const operations = pgTable(
  "operations",
  {
    id: uuid("id").primaryKey(),
    workspaceId: uuid("workspace_id").notNull(),
    /** Repeated here, because limits count by it and a purged workspace has no row. */
    runtime: text("runtime").notNull(),
    kind: operationKind("kind").notNull(),
    state: operationState("state").notNull(),
    /** What the runner needs to know besides the row of the workspace; never a secret. */
    params: jsonb("params").$type<JsonObject>().notNull().default({}),
    requestedBy: text("requested_by").notNull(),
    /** How often a worker took it. */
    attempt: integer("attempt").notNull().default(0),
    /** How many attempts failed and were tried again. */
    retries: integer("retries").notNull().default(0),
    /** How often its process died, or lost it. */
    takeovers: integer("takeovers").notNull().default(0),
    hostId: text("host_id"),
    /** The server instance that runs it. */
    claimedBy: uuid("claimed_by"),
    leaseExpiresAt: moment("lease_expires_at"),
    notBefore: moment("not_before"),
    cancelRequestedAt: moment("cancel_requested_at"),
    cancelReason: text("cancel_reason"),
    stage: text("stage"),
    stageStartedAt: moment("stage_started_at"),
    /** The last sign of progress; the deadline of the stage counts from it. */
    progressAt: moment("progress_at"),
    timings: jsonb("timings").$type<readonly { stage: string; durationMs: number }[]>(),
    errorCode: text("error_code"),
    errorMessage: text("error_message"),
    errorHint: text("error_hint"),
    errorDetails: jsonb("error_details").$type<JsonObject>(),
    logTail: text("log_tail"),
    createdAt: createdAt(),
    startedAt: moment("started_at"),
    finishedAt: moment("finished_at"),
  },
  (table) => [
    uniqueIndex("operations_one_open")
      .on(table.workspaceId)
      .where(sql`${table.state} in ('queued', 'running')`),
    uniqueIndex("operations_one_waiting")
      .on(table.workspaceId)
      .where(sql`${table.state} = 'waiting'`),
    index("operations_queue")
      .on(table.createdAt, table.id)
      .where(sql`${table.state} in ('waiting', 'queued', 'running')`),
    index("operations_of_workspace").on(table.workspaceId, table.createdAt),
    index("operations_finished").on(table.finishedAt),
  ],
);

/** One server process; it lives as long as `seenAt` moves. */
export const serverInstances = pgTable("server_instances", {
  id: uuid("id").primaryKey(),
  hostId: text("host_id"),
  /** Where its peers reach it, for what only its engine can answer. */
  url: text("url"),
  startedAt: moment("started_at").notNull().defaultNow(),
  seenAt: moment("seen_at").notNull().defaultNow(),
});

export const events = pgTable(
  "structure_events",
  {
    /** In the order of commits: see `recordEvent`. */
    id: bigserial("id", { mode: "number" }).primaryKey(),
    eventType: text("event_type").notNull(),
    workspaceId: uuid("workspace_id"),
    operationId: uuid("operation_id"),
    /** `admin`, `workspace:<id>`, `system:<what>`. */
    actor: text("actor").notNull(),
    requestId: text("request_id"),
    payload: jsonb("payload").$type<JsonObject>().notNull().default({}),
    createdAt: createdAt(),
  },
  (table) => [
    index("events_of_workspace").on(table.workspaceId, table.id),
    index("events_age").on(table.createdAt),
  ],
);

export const builds = pgTable(
  "builds",
  {
    id: uuid("id").primaryKey(),
    operationId: uuid("operation_id").notNull(),
    workspaceId: uuid("workspace_id").notNull(),
    runtime: text("runtime").notNull(),
    state: text("state", { enum: ["running", "succeeded", "failed", "cancelled"] }).notNull(),
    imageRef: text("image_ref"),
    revision: text("revision"),
    logLines: integer("log_lines").notNull().default(0),
    logBytes: bigint("log_bytes", { mode: "number" }).notNull().default(0),
    /** Later lines were dropped, because there is a limit. */
    truncated: boolean("truncated").notNull().default(false),
    startedAt: moment("started_at").notNull().defaultNow(),
    finishedAt: moment("finished_at"),
  },
  (table) => [
    index("builds_of_workspace").on(table.workspaceId, table.startedAt),
    index("builds_of_operation").on(table.operationId),
    index("builds_age").on(table.startedAt),
  ],
);

export const buildLogs = pgTable(
  "build_logs",
  {
    buildId: uuid("build_id")
      .notNull()
      .references(() => builds.id, { onDelete: "cascade" }),
    /** From 1, without gaps. */
    seq: integer("seq").notNull(),
    at: moment("at").notNull(),
    /** `stdout`, `stderr`, or `step` for the name and fate of a build step. */
    stream: text("stream", { enum: ["stdout", "stderr", "step"] }).notNull(),
    line: text("line").notNull(),
  },
  (table) => [primaryKey({ columns: [table.buildId, table.seq] })],
);

const secretColumns = {
  key: text("key").notNull(),
  /** Nonce, ciphertext and tag; see `secret-box`. */
  encryptedValue: bytes("encrypted_value").notNull(),
  encryptionVersion: integer("encryption_version").notNull(),
  /** Which key sealed it, so that a rotation finds what is left. */
  keyId: text("key_id").notNull(),
  createdAt: createdAt(),
  updatedAt: moment("updated_at").notNull().defaultNow(),
};

export const workspaceSecrets = pgTable(
  "workspace_secrets",
  {
    workspaceId: uuid("workspace_id")
      .notNull()
      .references(() => workspaces.id, { onDelete: "cascade" }),
    ...secretColumns,
  },
  (table) => [primaryKey({ columns: [table.workspaceId, table.key] })],
);

export const globalSecrets = pgTable("global_secrets", {
  ...secretColumns,
  key: text("key").primaryKey(),
});

export const workspaceConfigs = pgTable("workspace_config", {
  workspaceId: uuid("workspace_id")
    .primaryKey()
    .references(() => workspaces.id, { onDelete: "cascade" }),
  data: jsonb("data").$type<JsonObject>().notNull(),
  updatedAt: moment("updated_at").notNull().defaultNow(),
});

export const tokens = pgTable(
  "auth_tokens",
  {
    id: uuid("id").primaryKey(),
    /** Undefined for a token of the administrator. */
    workspaceId: uuid("workspace_id").references(() => workspaces.id, { onDelete: "cascade" }),
    tokenHash: bytes("token_hash").notNull().unique(),
    /** The first eight characters, to tell tokens apart. */
    prefix: text("prefix").notNull(),
    /** The provision attempt it was made for; undefined when a person or a register call asked. */
    operationId: uuid("operation_id"),
    createdBy: text("created_by").notNull(),
    createdAt: createdAt(),
    lastUsedAt: moment("last_used_at"),
    revokedAt: moment("revoked_at"),
  },
  (table) => [
    index("tokens_live")
      .on(table.workspaceId)
      .where(sql`${table.revokedAt} is null`),
  ],
);

export const imageDigests = pgTable("image_digests", {
  runtime: text("runtime").primaryKey(),
  ref: text("ref").notNull(),
  digest: text("digest").notNull(),
  seenAt: moment("seen_at").notNull().defaultNow(),
});

export const imagePins = pgTable("runtime_image_pins", {
  runtime: text("runtime").primaryKey(),
  digest: text("digest").notNull(),
  createdBy: text("created_by").notNull(),
  createdAt: createdAt(),
});

export const settings = pgTable("settings", {
  key: text("key").primaryKey(),
  value: jsonb("value").$type<JsonValue>().notNull(),
  updatedAt: moment("updated_at").notNull().defaultNow(),
});

/** One background loop: who leads it, and what it last did. */
export const loops = pgTable("loops", {
  name: text("name").primaryKey(),
  holder: uuid("holder"),
  leaseExpiresAt: moment("lease_expires_at"),
  lastStartedAt: moment("last_started_at"),
  lastSucceededAt: moment("last_succeeded_at"),
  lastErrorAt: moment("last_error_at"),
  lastError: text("last_error"),
  runs: bigint("runs", { mode: "number" }).notNull().default(0),
  failures: bigint("failures", { mode: "number" }).notNull().default(0),
  /** What the last run found and did, for people. */
  summary: jsonb("summary").$type<JsonObject>(),
});

export const idempotencyKeys = pgTable(
  "idempotency_keys",
  {
    caller: text("caller").notNull(),
    key: text("key").notNull(),
    /** SHA-256 of the request, so that a key is not used for another one. */
    requestHash: text("request_hash").notNull(),
    statusCode: integer("status_code").notNull(),
    response: jsonb("response").$type<JsonValue>().notNull(),
    createdAt: createdAt(),
  },
  (table) => [
    primaryKey({ columns: [table.caller, table.key] }),
    index("idempotency_age").on(table.createdAt),
  ],
);
