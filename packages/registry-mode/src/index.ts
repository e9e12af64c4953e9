export type { EnsureImageOptions, ImageSource, ResolvedImage } from "./image-source.js";
