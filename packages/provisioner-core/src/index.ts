export type * from "./provisioner.js";
export type * from "./workspace-backend.js";
export type * from "./workspace-plan.js";
export type * from "./workspace-spec.js";
