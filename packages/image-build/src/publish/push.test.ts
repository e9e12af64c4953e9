import { EngineError, type EngineErrorCode } from "@molecule-ai/docker-engine";
import { describe, expect, it } from "vitest";
import type { PublishEvent } from "./publish-event.js";
import { PushError } from "./push-error.js";
import { pushTags, type PushTagsOptions } from "./push.js";

const DIGEST = `sha256:${"1".repeat(64)}`;

const fails = (code: EngineErrorCode, engineMessage: string): EngineError =>
  new EngineError(code, engineMessage, { details: { engineMessage } });

/** An engine whose pushes end as told, then well. */
function engineThat(...outcomes: (Error | undefined)[]) {
  const pushed: string[] = [];
  return {
    pushed,
    images: {
      push: (tag: string) => {
        const outcome = outcomes[pushed.length];
        pushed.push(tag);
        return outcome === undefined
          ? Promise.resolve({ digest: DIGEST, sizeBytes: 1 })
          : Promise.reject(outcome);
      },
    },
  };
}

const quick: Pick<PushTagsOptions, "clock" | "random"> = {
  random: () => 0.5,
  clock: {
    now: () => 0,
    monotonic: () => 0,
    sleep: (_ms, signal) => {
      signal?.throwIfAborted();
      return Promise.resolve();
    },
  },
};

describe("pushTags", () => {
  it("tries again what may pass, and says so", async () => {
    const engine = engineThat(
      fails("ERR_PUSH_UNAVAILABLE", "dial tcp: connection refused"),
      fails("ERR_ENGINE_TRUNCATED", "cut"),
    );
    const events: PublishEvent[] = [];
    const onEvent = (event: PublishEvent): void => void events.push(event);
    const pushed = await pushTags({ ...quick, engine, tags: ["r.io/a:1"], onEvent });
    expect(pushed).toEqual([{ tag: "r.io/a:1", digest: DIGEST, sizeBytes: 1 }]);
    expect(events).toMatchObject([
      { status: "started" },
      { status: "retrying", reason: "connection lost (network)" },
      { status: "retrying", reason: "engine lost (engine)" },
      { status: "pushed", digest: DIGEST },
    ]);
  });

  it("does not try again what will not, and goes on where it stopped", async () => {
    const tags = ["r.io/a:1", "r.io/a:2", "r.io/a:3"];
    const engine = engineThat(undefined, fails("ERR_PUSH_UNAVAILABLE", "x509: unknown authority"));
    const error = await pushTags({ ...quick, engine, tags }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PushError);
    const { pushed, remaining, retryable, failureClass } = error as PushError;
    expect({ remaining, retryable, failureClass }).toEqual({
      remaining: ["r.io/a:2", "r.io/a:3"],
      retryable: false,
      failureClass: "network",
    });
    const again = engineThat();
    const all = await pushTags({ ...quick, engine: again, tags, done: pushed });
    expect(again.pushed).toEqual(remaining);
    expect(all.map(({ tag }) => tag)).toEqual(tags);
  });

  it("gives up after as many tries as it may make", async () => {
    const lost = fails("ERR_PUSH_UNAVAILABLE", "unexpected EOF");
    const engine = engineThat(lost, lost, lost, lost);
    await expect(
      pushTags({ ...quick, engine, tags: ["r.io/a:1"], attempts: 2 }),
    ).rejects.toMatchObject({ code: "ERR_PUSH_FAILED", retryable: true });
    expect(engine.pushed).toHaveLength(2);
  });

  it("has a missing Harbor project created once, and goes on with the tag that missed it", async () => {
    const missing = fails("ERR_PUSH_NOT_FOUND", "unauthorized: project team not found");
    const asked: string[] = [];
    const options = {
      ...quick,
      tags: ["h.io/team/a:1"],
      provider: () => "harbor",
      createProject: ({ tag }: { tag: string }) => {
        asked.push(tag);
        return Promise.resolve(true);
      },
    };
    await pushTags({ ...options, engine: engineThat(missing) });
    expect(asked).toEqual(["h.io/team/a:1"]);
    await expect(
      pushTags({ ...options, engine: engineThat(missing, missing) }),
    ).rejects.toMatchObject({ isProjectMissing: true });
    await expect(
      pushTags({ ...options, provider: () => "ghcr", engine: engineThat(missing) }),
    ).rejects.toMatchObject({ isProjectMissing: false });
  });

  it("says what was pushed when it is aborted", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const events: PublishEvent[] = [];
    const pushing = pushTags({
      ...quick,
      engine: engineThat(undefined, fails("ERR_ENGINE_TRUNCATED", "cut")),
      tags: ["r.io/a:1", "r.io/a:2"],
      signal: controller.signal,
      onEvent: (event) => {
        events.push(event);
        if (event.type === "push.tag" && event.status === "retrying") controller.abort(reason);
      },
    });
    await expect(pushing).rejects.toBe(reason);
    expect(events.at(-1)).toEqual({
      type: "push.cancelled",
      pushed: [{ tag: "r.io/a:1", digest: DIGEST, sizeBytes: 1 }],
      remaining: ["r.io/a:2"],
    });
  });
});
