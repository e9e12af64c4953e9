import { familiarName, parseImageReference, type ImageReference } from "@molecule-ai/registry-mode";
import { z } from "zod";
import type { ImageApi, ImageInfo, ImageLayer, ImageSummary } from "../engine.js";
import { EngineError, protocolError } from "../errors.js";
import { readProgressStream } from "../json-stream.js";
import { loadImages, saveImages } from "./image-archive.js";
import { pullImage, type TransferContext } from "./pull.js";
import { pushImage } from "./push.js";
import { enginePath } from "./transport.js";
import { count, filters, instant, labels, strings, text } from "./wire.js";

const IMAGE = z
  .looseObject({
    Id: z.string(),
    RepoTags: strings,
    RepoDigests: strings,
    Os: text,
    Architecture: text,
    Variant: text,
    Size: count,
    Created: instant,
    Metadata: z.looseObject({ LastTagTime: instant }).nullish(),
    Config: z
      .looseObject({
        Labels: labels,
        Entrypoint: strings,
        Cmd: strings,
        User: text,
        Env: strings,
        WorkingDir: text,
      })
      .nullish(),
  })
  .transform((image): ImageInfo => ({
    id: image.Id,
    tags: image.RepoTags.filter(isNamed),
    digests: image.RepoDigests.filter(isNamed),
    os: image.Os,
    arch: image.Architecture,
    variant: image.Variant === "" ? undefined : image.Variant,
    sizeBytes: image.Size,
    createdAt: image.Created,
    taggedAt: image.Metadata?.LastTagTime,
    labels: image.Config?.Labels ?? {},
    entrypoint: image.Config?.Entrypoint ?? [],
    cmd: image.Config?.Cmd ?? [],
    user: image.Config?.User ?? "",
    env: image.Config?.Env ?? [],
    workingDir: image.Config?.WorkingDir ?? "",
  }));

const SUMMARY = z
  .looseObject({
    Id: z.string(),
    ParentId: text,
    RepoTags: strings,
    RepoDigests: strings,
    Labels: labels,
    Size: count,
    Created: count,
  })
  .transform((image): ImageSummary => ({
    id: image.Id,
    parentId: image.ParentId === "" ? undefined : image.ParentId,
    tags: image.RepoTags.filter(isNamed),
    digests: image.RepoDigests.filter(isNamed),
    labels: image.Labels,
    sizeBytes: image.Size,
    createdAt: image.Created * 1000,
  }));

const IMAGE_ID = /^sha256:[0-9a-f]{64}$/;

const LAYER = z
  .looseObject({
    Id: text,
    Tags: strings,
    CreatedBy: text,
    Comment: text,
    Size: count,
    Created: count,
  })
  .transform((layer): ImageLayer => ({
    id: IMAGE_ID.test(layer.Id) ? layer.Id : undefined,
    tags: layer.Tags,
    createdBy: layer.CreatedBy,
    comment: layer.Comment,
    sizeBytes: layer.Size,
    createdAt: layer.Created > 0 ? layer.Created * 1000 : undefined,
  }));

export function createImageApi(context: TransferContext): ImageApi {
  const { transport } = context;
  const inspect: ImageApi["inspect"] = async (ref, options) =>
    transport.find(
      {
        method: "GET",
        path: enginePath`/images/${ref}/json`,
        subject: `Inspect image ${ref}`,
        signal: options?.signal,
      },
      IMAGE,
    );
  return {
    inspect,
    list: async (filter, options) =>
      transport.json(
        {
          method: "GET",
          path: "/images/json",
          query: {
            filters: filters({
              label: filter?.labels,
              reference: filter?.reference === undefined ? undefined : [filter.reference],
            }),
          },
          subject: "List images",
          signal: options?.signal,
        },
        z.array(SUMMARY),
      ),
    async tag(source, target, options) {
      const { repo, tag } = splitTag(target);
      await transport.call(
        {
          method: "POST",
          path: enginePath`/images/${source}/tag`,
          query: { repo, tag },
          subject: `Tag image ${source} as ${target}`,
          signal: options?.signal,
        },
        [200, 201],
      );
    },
    async remove(ref, options) {
      const answer = await transport.call(
        {
          method: "DELETE",
          path: enginePath`/images/${ref}`,
          query: {
            force: options?.force === true ? "1" : undefined,
            noprune: options?.noPrune === true ? "1" : undefined,
          },
          subject: `Remove image ${ref}`,
          signal: options?.signal,
        },
        [200, 404],
      );
      return answer.status === 200;
    },
    pull: async (ref, options) => pullImage(context, inspect, ref, options ?? {}),
    push: async (ref, options) => pushImage(context, inspect, ref, options ?? {}),
    save: async (refs, options) => saveImages(transport, refs, options),
    load: async (archive, options) => loadImages(context, archive, options),
    history: async (ref, options) =>
      transport.find(
        {
          method: "GET",
          path: enginePath`/images/${ref}/history`,
          subject: `History of image ${ref}`,
          signal: options?.signal,
        },
        z.array(LAYER),
      ),
    async import(tar, ref, options) {
      const { repo, tag } = splitTag(ref);
      const subject = `Import image ${ref}`;
      const { body } = await transport.open({
        method: "POST",
        path: "/images/create",
        query: { fromSrc: "-", repo, tag },
        body: tar,
        subject,
        signal: options?.signal,
      });
      let id: string | undefined;
      for await (const { status } of readProgressStream(body, {
        subject,
        redactor: context.redactor,
      })) {
        if (typeof status === "string" && IMAGE_ID.test(status)) id = status;
      }
      // Engines that say nothing else (Podman) have tagged it all the same.
      id ??= (await inspect(ref, options))?.id;
      if (id === undefined) throw protocolError(subject, "the engine did not say which image");
      return id;
    },
  };
}

function isNamed(name: string): boolean {
  return !name.startsWith("<none>");
}

/** A reference as the query of a tag or import call wants it. */
function splitTag(ref: string): { readonly repo: string; readonly tag: string } {
  const reference: ImageReference = parseImageReference(ref);
  if (reference.digest !== undefined) {
    throw new EngineError("ERR_ENGINE_BAD_REQUEST", `${ref} cannot be a tag: it has a digest`);
  }
  return { repo: familiarName(reference), tag: reference.tag ?? "latest" };
}
