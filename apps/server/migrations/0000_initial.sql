CREATE TYPE "public"."operation_kind" AS ENUM('provision', 'restart', 'pause', 'resume', 'hibernate', 'remove');--> statement-breakpoint
CREATE TYPE "public"."operation_state" AS ENUM('waiting', 'queued', 'running', 'succeeded', 'failed', 'cancelled');--> statement-breakpoint
CREATE TYPE "public"."workspace_status" AS ENUM('provisioning', 'awaiting_agent', 'online', 'degraded', 'offline', 'failed', 'paused', 'hibernating', 'hibernated', 'removed');--> statement-breakpoint
CREATE TABLE "build_logs" (
	"build_id" uuid NOT NULL,
	"seq" integer NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"stream" text NOT NULL,
	"line" text NOT NULL,
	CONSTRAINT "build_logs_build_id_seq_pk" PRIMARY KEY("build_id","seq")
);
--> statement-breakpoint
CREATE TABLE "builds" (
	"id" uuid PRIMARY KEY NOT NULL,
	"operation_id" uuid NOT NULL,
	"workspace_id" uuid NOT NULL,
	"runtime" text NOT NULL,
	"state" text NOT NULL,
	"image_ref" text,
	"revision" text,
	"log_lines" integer DEFAULT 0 NOT NULL,
	"log_bytes" bigint DEFAULT 0 NOT NULL,
	"truncated" boolean DEFAULT false NOT NULL,
	"started_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "structure_events" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"event_type" text NOT NULL,
	"workspace_id" uuid,
	"operation_id" uuid,
	"actor" text NOT NULL,
	"request_id" text,
	"payload" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "global_secrets" (
	"key" text PRIMARY KEY NOT NULL,
	"encrypted_value" "bytea" NOT NULL,
	"encryption_version" integer NOT NULL,
	"key_id" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
	"caller" text NOT NULL,
	"key" text NOT NULL,
	"request_hash" text NOT NULL,
	"status_code" integer NOT NULL,
	"response" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "idempotency_keys_caller_key_pk" PRIMARY KEY("caller","key")
);
--> statement-breakpoint
CREATE TABLE "image_digests" (
	"runtime" text PRIMARY KEY NOT NULL,
	"ref" text NOT NULL,
	"digest" text NOT NULL,
	"seen_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "runtime_image_pins" (
	"runtime" text PRIMARY KEY NOT NULL,
	"digest" text NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "loops" (
	"name" text PRIMARY KEY NOT NULL,
	"holder" uuid,
	"lease_expires_at" timestamp (3) with time zone,
	"last_started_at" timestamp (3) with time zone,
	"last_succeeded_at" timestamp (3) with time zone,
	"last_error_at" timestamp (3) with time zone,
	"last_error" text,
	"runs" bigint DEFAULT 0 NOT NULL,
	"failures" bigint DEFAULT 0 NOT NULL,
	"summary" jsonb
);
--> statement-breakpoint
CREATE TABLE "operations" (
	"id" uuid PRIMARY KEY NOT NULL,
	"workspace_id" uuid NOT NULL,
	"runtime" text NOT NULL,
	"kind" "operation_kind" NOT NULL,
	"state" "operation_state" NOT NULL,
	"params" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"requested_by" text NOT NULL,
	"attempt" integer DEFAULT 0 NOT NULL,
	"host_id" text,
	"claimed_by" uuid,
	"lease_expires_at" timestamp (3) with time zone,
	"not_before" timestamp (3) with time zone,
	"cancel_requested_at" timestamp (3) with time zone,
	"cancel_reason" text,
	"stage" text,
	"stage_started_at" timestamp (3) with time zone,
	"progress_at" timestamp (3) with time zone,
	"timings" jsonb,
	"error_code" text,
	"error_message" text,
	"error_hint" text,
	"error_details" jsonb,
	"log_tail" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp (3) with time zone,
	"finished_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "server_instances" (
	"id" uuid PRIMARY KEY NOT NULL,
	"host_id" text,
	"url" text,
	"started_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"seen_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "settings" (
	"key" text PRIMARY KEY NOT NULL,
	"value" jsonb NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "auth_tokens" (
	"id" uuid PRIMARY KEY NOT NULL,
	"workspace_id" uuid,
	"token_hash" "bytea" NOT NULL,
	"prefix" text NOT NULL,
	"operation_id" uuid,
	"created_by" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"last_used_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	CONSTRAINT "auth_tokens_token_hash_unique" UNIQUE("token_hash")
);
--> statement-breakpoint
CREATE TABLE "workspace_config" (
	"workspace_id" uuid PRIMARY KEY NOT NULL,
	"data" jsonb NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "workspace_secrets" (
	"workspace_id" uuid NOT NULL,
	"key" text NOT NULL,
	"encrypted_value" "bytea" NOT NULL,
	"encryption_version" integer NOT NULL,
	"key_id" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "workspace_secrets_workspace_id_key_pk" PRIMARY KEY("workspace_id","key")
);
--> statement-breakpoint
CREATE TABLE "workspaces" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"role" text DEFAULT '' NOT NULL,
	"tier" integer NOT NULL,
	"tier_applied" integer,
	"status" "workspace_status" NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	"runtime" text NOT NULL,
	"model" text,
	"template" text,
	"agent_card" jsonb,
	"url" text,
	"url_trusted" boolean DEFAULT false NOT NULL,
	"internal_url" text,
	"parent_id" uuid,
	"forwarded_to" uuid,
	"awareness_namespace" text,
	"workspace_dir" text,
	"workspace_access" text DEFAULT 'none' NOT NULL,
	"budget_limit" bigint,
	"monthly_spend" bigint DEFAULT 0 NOT NULL,
	"max_concurrent_tasks" integer DEFAULT 1 NOT NULL,
	"hibernation_idle_minutes" integer DEFAULT 0 NOT NULL,
	"collapsed" boolean DEFAULT false NOT NULL,
	"canvas_x" double precision DEFAULT 0 NOT NULL,
	"canvas_y" double precision DEFAULT 0 NOT NULL,
	"last_heartbeat_at" timestamp (3) with time zone,
	"last_error_rate" double precision DEFAULT 0 NOT NULL,
	"last_sample_error" text DEFAULT '' NOT NULL,
	"active_tasks" integer DEFAULT 0 NOT NULL,
	"uptime_seconds" integer DEFAULT 0 NOT NULL,
	"current_task" text DEFAULT '' NOT NULL,
	"runtime_state" text DEFAULT '' NOT NULL,
	"manages_status" boolean DEFAULT false NOT NULL,
	"last_outbound_at" timestamp (3) with time zone,
	"image_ref" text,
	"runtime_image_digest" text,
	"image_id" text,
	"image_revision" text,
	"image_tree" text,
	"host_id" text,
	"provision_started_at" timestamp (3) with time zone,
	"last_operation_id" uuid,
	"keep_volumes" boolean DEFAULT false NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"removed_at" timestamp (3) with time zone,
	CONSTRAINT "workspaces_access" CHECK ("workspaces"."workspace_access" in ('none', 'read_only', 'read_write')),
	CONSTRAINT "workspaces_tier" CHECK ("workspaces"."tier" between 1 and 4)
);
--> statement-breakpoint
ALTER TABLE "build_logs" ADD CONSTRAINT "build_logs_build_id_builds_id_fk" FOREIGN KEY ("build_id") REFERENCES "public"."builds"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "auth_tokens" ADD CONSTRAINT "auth_tokens_workspace_id_workspaces_id_fk" FOREIGN KEY ("workspace_id") REFERENCES "public"."workspaces"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "workspace_config" ADD CONSTRAINT "workspace_config_workspace_id_workspaces_id_fk" FOREIGN KEY ("workspace_id") REFERENCES "public"."workspaces"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "workspace_secrets" ADD CONSTRAINT "workspace_secrets_workspace_id_workspaces_id_fk" FOREIGN KEY ("workspace_id") REFERENCES "public"."workspaces"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "workspaces" ADD CONSTRAINT "workspaces_parent_id_workspaces_id_fk" FOREIGN KEY ("parent_id") REFERENCES "public"."workspaces"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "builds_of_workspace" ON "builds" USING btree ("workspace_id","started_at");--> statement-breakpoint
CREATE INDEX "builds_of_operation" ON "builds" USING btree ("operation_id");--> statement-breakpoint
CREATE INDEX "builds_age" ON "builds" USING btree ("started_at");--> statement-breakpoint
CREATE INDEX "events_of_workspace" ON "structure_events" USING btree ("workspace_id","id");--> statement-breakpoint
CREATE INDEX "events_age" ON "structure_events" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "idempotency_age" ON "idempotency_keys" USING btree ("created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "operations_one_open" ON "operations" USING btree ("workspace_id") WHERE "operations"."state" in ('queued', 'running');--> statement-breakpoint
CREATE UNIQUE INDEX "operations_one_waiting" ON "operations" USING btree ("workspace_id") WHERE "operations"."state" = 'waiting';--> statement-breakpoint
CREATE INDEX "operations_queue" ON "operations" USING btree ("created_at","id") WHERE "operations"."state" in ('waiting', 'queued', 'running');--> statement-breakpoint
CREATE INDEX "operations_of_workspace" ON "operations" USING btree ("workspace_id","created_at");--> statement-breakpoint
CREATE INDEX "operations_finished" ON "operations" USING btree ("finished_at");--> statement-breakpoint
CREATE INDEX "tokens_live" ON "auth_tokens" USING btree ("workspace_id") WHERE "auth_tokens"."revoked_at" is null;--> statement-breakpoint
CREATE INDEX "workspaces_status" ON "workspaces" USING btree ("status");--> statement-breakpoint
CREATE INDEX "workspaces_parent" ON "workspaces" USING btree ("parent_id");--> statement-breakpoint
CREATE INDEX "workspaces_page" ON "workspaces" USING btree ("created_at","id");