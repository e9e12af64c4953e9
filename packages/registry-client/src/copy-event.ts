/** What a copy does; plain JSON. */
export type CopyEvent =
  | {
      readonly type: "copy.blob";
      readonly digest: string;
      readonly sizeBytes: number;
      readonly status: "exists" | "mounted" | "copying" | "copied";
      /** Sent so far; 0 for what need not be sent. */
      readonly currentBytes: number;
    }
  | { readonly type: "copy.manifest"; readonly digest: string; readonly mediaType: string };
