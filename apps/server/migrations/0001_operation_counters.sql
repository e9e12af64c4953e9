ALTER TABLE "operations" ADD COLUMN "retries" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "operations" ADD COLUMN "takeovers" integer DEFAULT 0 NOT NULL;