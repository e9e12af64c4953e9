import { defineConfig } from "drizzle-kit";

/** `pnpm --filter server migration` writes the next migration from `src/store/schema.ts`. */
export default defineConfig({
  dialect: "postgresql",
  schema: "./src/store/schema.ts",
  out: "./migrations",
});
