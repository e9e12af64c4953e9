import type { CleanupClass, CleanupPlan, CleanupResult } from "@molecule-ai/image-build";
import { openEngine } from "../../compose.js";
import { CliError } from "../../errors.js";
import { EXIT } from "../../exit-codes.js";
import { invalidOption } from "../../options/invalid-option.js";
import { formatBytes } from "../../output/quantity.js";
import { formatRemovals } from "../../output/removals.js";
import type { CommandResult } from "../../output/reporter.js";
import { requireLocal } from "../../remote/require-server.js";
import type { CommandContext } from "../../run-command.js";

export interface CollectGarbageOptions {
  readonly apply?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  readonly olderThan?: number | undefined;
  readonly keepCache?: number | undefined;
  readonly protect: readonly string[];
  readonly protectLabel: readonly string[];
  readonly label: readonly string[];
  readonly only: readonly string[];
  readonly minFree?: number | undefined;
  readonly required?: boolean | undefined;
}

/** `image gc`: options win over the environment; protections of both hold. */
export async function collectGarbage(
  context: CommandContext,
  options: CollectGarbageOptions,
): Promise<CommandResult> {
  requireLocal(context, "image gc");
  if (options.apply === true && options.dryRun === true) {
    throw new CliError("ERR_CLI_USAGE", "--apply and --dry-run exclude each other", {
      hint: "Leave --apply out to see what would go.",
    });
  }
  const {
    applyCleanup,
    CLEANUP_CLASSES,
    planCleanup,
    readCleanupInventory,
    readEngineDisk,
    shouldClean,
  } = await import("@molecule-ai/image-build");
  const classes = options.only.map((name) => {
    const known = CLEANUP_CLASSES.find((one) => one === name);
    if (known === undefined) {
      throw invalidOption("--only", name, `Give one of ${CLEANUP_CLASSES.join(", ")}.`);
    }
    return known;
  });
  const { settings, policy } = await readPolicy(context, options, classes);
  await using engine = await openEngine(context);
  const { signal, clock } = context;

  const trigger =
    options.minFree === undefined
      ? settings.trigger
      : { minFreeBytes: options.minFree, minFreePercent: undefined };
  const due = shouldClean(await readEngineDisk(engine, { signal }), trigger);
  if (due.kind !== "due") {
    return {
      data: { applied: false, due, items: [], kept: [], bytes: 0 },
      text: () => `Nothing was looked at: ${due.reason}.`,
    };
  }
  const inventory = await readCleanupInventory(engine, policy, { signal });
  const plan = planCleanup(inventory, policy, clock.now());
  if (options.apply !== true) return planned(plan, due);
  const result = await applyCleanup(plan, engine, {
    enforcement: options.required === true ? "required" : settings.enforcement,
    signal,
    onEvent: context.onEvent,
  });
  return applied(plan, result, due);
}

async function readPolicy(
  context: CommandContext,
  options: CollectGarbageOptions,
  classes: readonly CleanupClass[],
) {
  const { cleanupSettingsFromEnv, NO_CLEANUP } = await import("@molecule-ai/image-build");
  const settings = cleanupSettingsFromEnv(context.settings.env);
  const { olderThan, keepCache } = options;
  const all = {
    ...settings.policy,
    ...(olderThan === undefined
      ? {}
      : {
          danglingOlderThanMs: olderThan,
          unreferencedOlderThanMs: olderThan,
          buildCacheOlderThanMs: olderThan,
          exitedOlderThanMs: olderThan,
        }),
    ...(keepCache === undefined ? {} : { buildCacheKeepBytes: keepCache }),
    protectedRefs: [...settings.policy.protectedRefs, ...options.protect],
    protectedLabels: [...settings.policy.protectedLabels, ...options.protectLabel],
    scope: options.label,
  };
  const has = (name: CleanupClass): boolean => classes.length === 0 || classes.includes(name);
  return {
    settings,
    policy: {
      ...all,
      ...(has("images.dangling") ? {} : { danglingOlderThanMs: NO_CLEANUP.danglingOlderThanMs }),
      ...(has("images.unreferenced")
        ? {}
        : { unreferencedOlderThanMs: NO_CLEANUP.unreferencedOlderThanMs }),
      ...(has("build_cache")
        ? {}
        : { buildCacheOlderThanMs: undefined, buildCacheKeepBytes: undefined }),
      ...(has("containers.exited") ? {} : { exitedOlderThanMs: NO_CLEANUP.exitedOlderThanMs }),
      ...(has("networks.unused") ? {} : { unusedNetworks: false }),
    },
  };
}

function planned(plan: CleanupPlan, due: object): CommandResult {
  const { items, kept, bytes } = plan;
  const removals = {
    dryRun: true,
    removed: items.map(({ class: kind, name, reason }) => `${kind} ${name}: ${reason}`),
    kept: kept.map(({ class: kind, name, reason }) => ({ name: `${kind} ${name}`, reason })),
    failed: [],
  };
  const sum = `At most ${formatBytes(bytes)} would be freed; --apply removes what is named above.`;
  return {
    data: { applied: false, due, items, kept, bytes },
    text: (style) =>
      items.length === 0
        ? formatRemovals(removals, style)
        : `${formatRemovals(removals, style)}\n${sum}`,
  };
}

function applied(plan: CleanupPlan, result: CleanupResult, due: object): CommandResult {
  const { outcomes, freedBytes, failed } = result;
  const stayed = outcomes.flatMap((one) =>
    one.outcome === "kept" ? [{ name: `${one.class} ${one.name}`, reason: one.reason }] : [],
  );
  const removals = {
    dryRun: false,
    removed: outcomes
      .filter(({ outcome }) => outcome === "removed")
      .map(({ class: kind, name }) => `${kind} ${name}`),
    kept: [
      ...plan.kept.map(({ class: kind, name, reason }) => ({ name: `${kind} ${name}`, reason })),
      ...stayed,
    ],
    failed: outcomes.flatMap((one) =>
      one.outcome === "failed"
        ? [{ name: `${one.class} ${one.name}`, message: one.error.message }]
        : [],
    ),
  };
  return {
    data: { applied: true, due, outcomes, kept: plan.kept, freedBytes, failed },
    text: (style) =>
      `${formatRemovals(removals, style)}\nAt most ${formatBytes(freedBytes)} freed.`,
    exitCode: failed > 0 ? EXIT.failed : undefined,
  };
}
