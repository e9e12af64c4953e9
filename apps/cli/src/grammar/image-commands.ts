import { parseByteSize } from "../options/byte-size.js";
import { parseDuration } from "../options/duration.js";
import { parseWholeNumber } from "../options/whole-number.js";
import { collect, JSON_OPTION, type Program, type RunCommand } from "./program-parts.js";

const CREDENTIALS_OPTION = [
  "--credentials <prefix>",
  "take user and secret from <PREFIX>_USER and <PREFIX>_TOKEN (default: Docker's own credentials)",
] as const;
const BUILDER = ["<builder>", "name of a builder, as `image builder ls` shows it"] as const;

/** `image …`: building, publishing and tidying up images on their own, without a runtime. */
export function addImageCommands(program: Program, run: RunCommand): void {
  program.commandsGroup("Images:");
  const image = group(program, "image", "build, publish and tidy up images of your own");
  addBuildCommands(image, run);
  addPublishCommands(image, run);
  addCacheCommands(image, run);
  addBuilderCommands(image, run);

  image
    .command("gc")
    .description("say what can be removed from the engine, and remove it with --apply")
    .option("--apply", "remove it")
    .option("--dry-run", "only say what would go; the default")
    .option("--older-than <duration>", "only what is older (default: 72h)", (text) =>
      parseDuration("--older-than", text),
    )
    .option("--keep-cache <size>", "build cache that stays (default: 20GB)", (text) =>
      parseByteSize("--keep-cache", text),
    )
    .option(
      "--protect <pattern>",
      "names of images that stay, such as prod/* (repeatable)",
      collect,
      [],
    )
    .option(
      "--protect-label <label>",
      "label of what stays: key or key=value (repeatable)",
      collect,
      [],
    )
    .option("--label <label>", "only what carries this label (repeatable)", collect, [])
    .option("--only <class>", "only things of this class (repeatable)", collect, [])
    .option("--min-free <size>", "only while the engine's disk has less free", (text) =>
      parseByteSize("--min-free", text),
    )
    .option("--required", "stop and fail at the first thing that cannot be removed")
    .option(...JSON_OPTION)
    .action((options) =>
      run("image gc", options, async (context) =>
        (await import("../commands/image/collect-garbage.js")).collectGarbage(context, options),
      ),
    );
}

function addBuildCommands(image: Program, run: RunCommand): void {
  imageBuildCommand(image)
    .description("build an image from a directory or from one commit of a git repository")
    .action((source, options) =>
      run("image build", options, async (context) =>
        (await import("../commands/image/build-image.js")).buildImage(context, source, options),
      ),
    );

  image
    .command("explain")
    .description("say which builder a build would get, and why not another one")
    .option(
      "--platform <list>",
      "platforms the build is for, separated by commas (repeatable)",
      collect,
      [],
    )
    .option("--push", "the image is for a registry")
    .option("--backend <backend>", "as for `image build`")
    .option("--builder <builder>", "as for `image build`")
    .option(...JSON_OPTION)
    .action((options) =>
      run("image explain", options, async (context) =>
        (await import("../commands/image/explain.js")).explain(context, options),
      ),
    );
}

/** A command that takes everything that describes a build of one image. */
function imageBuildCommand(image: Program) {
  return image
    .command("build")
    .argument("[context]", "directory, or <repository>.git#<commit>[:<subdirectory>]", ".")
    .option("-t, --tag <reference>", "name of the image (repeatable)", collect, [])
    .option("-f, --file <path>", "the Dockerfile, a path inside the context")
    .option("--target <stage>", "build this stage")
    .option("--platform <list>", "os/arch, separated by commas (repeatable)", collect, [])
    .option(
      "--build-arg <NAME[=value]>",
      "build argument, NAME alone is taken from here; never a secret (repeatable)",
      collect,
      [],
    )
    .option(
      "--secret <id=…[,env=NAME|,src=path]>",
      "for RUN --mount=type=secret (repeatable)",
      collect,
      [],
    )
    .option("--ssh <id[=socket|key,…]>", "for RUN --mount=type=ssh (repeatable)", collect, [])
    .option(
      "--build-context <name=…>",
      "a further context: directory, git or image (repeatable)",
      collect,
      [],
    )
    .option("--label <key=value>", "label (repeatable)", collect, [])
    .option("--annotation <key=value>", "OCI annotation (repeatable)", collect, [])
    .option("--cache-from <reference|type=…>", "cache to read (repeatable)", collect, [])
    .option("--cache-to <reference|type=…>", "cache to write (repeatable)", collect, [])
    .option("--no-cache", "use no cache")
    .option("--pull", "ask for newer base images")
    .option("--provenance <mode>", "attach how it was built: min, max or false")
    .option("--sbom", "attach what is in it")
    .option("--source-date-epoch <seconds>", "time of everything in the image", (text) =>
      parseWholeNumber("--source-date-epoch", text, 0),
    )
    .option("--backend <backend>", "way to build (default: MOLECULE_BUILD_BACKEND, else auto)")
    .option("--builder <builder>", "builder of buildx (default: MOLECULE_BUILDER)")
    .option("--push", "push it to the registries of its tags")
    .option("--load", "put it into the engine; the default without another output")
    .option(
      "-o, --output <directory|type=…>",
      "files of the last stage, or an OCI layout (repeatable)",
      collect,
      [],
    )
    .option("--check", "look for mistakes in the Dockerfile and build nothing")
    .option("--timeout <duration>", "give up when the build takes longer", (text) =>
      parseDuration("--timeout", text),
    )
    .option("--log-file <path>", "file for the whole output of the build")
    .option(...CREDENTIALS_OPTION)
    .option(...JSON_OPTION);
}

/** What {@link imageBuildCommand} parses. */
export type ImageBuildCommandOptions = ReturnType<ReturnType<typeof imageBuildCommand>["opts"]>;

function addPublishCommands(image: Program, run: RunCommand): void {
  image
    .command("push")
    .description("push images of the engine, and prove their digests")
    .argument("<image...>", "names of images that the engine has")
    .option(...CREDENTIALS_OPTION)
    .option(...JSON_OPTION)
    .action((images, options) =>
      run("image push", options, async (context) =>
        (await import("../commands/image/push.js")).push(context, images, options),
      ),
    );

  image
    .command("login")
    .description("try credentials at a registry; nothing is stored")
    .argument("<registry>", "host, with its port if it has one")
    .option("-u, --user <user>", "user; the secret is read from stdin or asked for")
    .option(...CREDENTIALS_OPTION)
    .option(...JSON_OPTION)
    .action((registry, options) =>
      run("image login", options, async (context) =>
        (await import("../commands/image/try-login.js")).tryLogin(context, registry, options),
      ),
    );

  image
    .command("digest")
    .description("print the digest of an image at its registry, else as the engine knows it")
    .argument("<image>", "reference")
    .option(...CREDENTIALS_OPTION)
    .option(...JSON_OPTION)
    .action((reference, options) =>
      run("image digest", options, async (context) =>
        (await import("../commands/image/digest.js")).digest(context, reference, options),
      ),
    );

  image
    .command("promote")
    .description(
      "copy an image to further names, its digest unchanged, without building or pulling",
    )
    .argument("<source>", "reference with a tag or a digest")
    .argument("<target...>", "references it gets")
    .option("--no-referrers", "leave signatures and attestations behind")
    .option(...CREDENTIALS_OPTION)
    .option(...JSON_OPTION)
    .action((source, targets, options) =>
      run("image promote", options, async (context) =>
        (await import("../commands/image/promote.js")).promote(context, source, targets, options),
      ),
    );
}

function addCacheCommands(image: Program, run: RunCommand): void {
  const cache = group(image, "cache", "build caches: on disk, in a registry, in the engine");

  cache
    .command("ls")
    .description("list what is cached where")
    .option(...CREDENTIALS_OPTION)
    .option(...JSON_OPTION)
    .action((options) =>
      run("image cache ls", options, async (context) =>
        (await import("../commands/image/cache-list.js")).cacheList(context, options),
      ),
    );

  cache
    .command("prune")
    .description("bring caches on disk and in the registry within their limits")
    .option("--dry-run", "only say what would go")
    .option("--max-age <duration>", "on disk: remove what is older", (text) =>
      parseDuration("--max-age", text),
    )
    .option("--max-size <size>", "on disk: remove the oldest until the rest fits", (text) =>
      parseByteSize("--max-size", text),
    )
    .option("--max-refs <count>", "in the registry: keep so many", (text) =>
      parseWholeNumber("--max-refs", text, 0),
    )
    .option("--stale-age <duration>", "in the registry: remove what is older", (text) =>
      parseDuration("--stale-age", text),
    )
    .option(
      "--builder <builder>",
      "also the cache inside this builder, by --max-age and --max-size",
    )
    .option(...CREDENTIALS_OPTION)
    .option(...JSON_OPTION)
    .action((options) =>
      run("image cache prune", options, async (context) =>
        (await import("../commands/image/cache-prune.js")).cachePrune(context, options),
      ),
    );
}

function addBuilderCommands(image: Program, run: RunCommand): void {
  const builder = group(image, "builder", "builders of buildx");

  builder
    .command("ls")
    .description("list the builders there are")
    .option(...JSON_OPTION)
    .action((options) =>
      run("image builder ls", options, async (context) =>
        (await import("../commands/image/builder-list.js")).builderList(context),
      ),
    );

  builder
    .command("inspect")
    .description("show a builder: driver, endpoint, platforms, garbage collection")
    .argument(...BUILDER)
    .option(...JSON_OPTION)
    .action((name, options) =>
      run("image builder inspect", options, async (context) =>
        (await import("../commands/image/builder-inspect.js")).builderInspect(context, name),
      ),
    );

  builder
    .command("rm")
    .description("remove builders that were made here, with their cache")
    .argument("<builder...>", BUILDER[1])
    .option("--keep-cache", "leave the cache for a builder of the same name")
    .option(...JSON_OPTION)
    .action((names, options) =>
      run("image builder rm", options, async (context) =>
        (await import("../commands/image/builder-remove.js")).builderRemove(
          context,
          names,
          options,
        ),
      ),
    );
}

/** A word that other commands follow; alone it prints its help. */
function group(parent: Program, name: string, description: string): Program {
  return parent
    .command(name)
    .description(description)
    .usage("<command> [options]")
    .helpCommand("help [command]", "print help of a command")
    .enablePositionalOptions();
}
