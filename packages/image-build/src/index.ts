export type * from "./image-builder.js";
