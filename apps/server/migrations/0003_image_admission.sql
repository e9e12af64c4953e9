ALTER TABLE "workspaces" ADD COLUMN "image_provenance" jsonb;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "admission" jsonb;