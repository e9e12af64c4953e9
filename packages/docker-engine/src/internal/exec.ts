import type { Clock } from "@molecule-ai/core";
import { finished, type Duplex } from "node:stream";
import { z } from "zod";
import type { ExecOptions } from "../engine.js";
import { isEngineError, truncatedError } from "../errors.js";
import { createLogDecoder } from "../log-frames.js";
import { enginePath, type Transport } from "./transport.js";
import { flag } from "./wire.js";

const CREATED = z.looseObject({ Id: z.string() });
const EXEC = z.looseObject({ Running: flag, ExitCode: z.number().nullish() });

/**
 * Runs a program in a container and waits for its end. Abort closes its input and output; the engine
 * has no call that would kill it.
 */
export async function execInContainer(
  transport: Transport,
  clock: Clock,
  id: string,
  options: ExecOptions,
): Promise<{ readonly exitCode: number }> {
  const { signal, tty = false, stdin } = options;
  const subject = `Run ${options.argv[0] ?? "a program"} in container ${id}`;
  const exec = await transport.json(
    {
      method: "POST",
      path: enginePath`/containers/${id}/exec`,
      json: {
        Cmd: options.argv,
        Env: options.env,
        User: options.user,
        WorkingDir: options.workingDir,
        Tty: tty,
        AttachStdin: stdin !== undefined,
        AttachStdout: true,
        AttachStderr: true,
      },
      subject,
      signal,
    },
    CREATED,
  );
  const socket = await transport.upgrade({
    method: "POST",
    path: enginePath`/exec/${exec.Id}/start`,
    json: { Detach: false, Tty: tty },
    subject,
    signal,
  });
  try {
    await Promise.all([
      carry(socket, options, subject),
      tty && options.onResizable !== undefined ? offerResize(exec.Id, options.onResizable) : null,
    ]);
  } finally {
    socket.destroy();
  }
  return { exitCode: await exitCodeOf(exec.Id) };

  async function offerResize(
    execId: string,
    onResizable: NonNullable<ExecOptions["onResizable"]>,
  ): Promise<void> {
    if (!(await isRunning(execId))) return;
    onResizable(async ({ rows, columns }) => {
      await transport.call({
        method: "POST",
        path: enginePath`/exec/${execId}/resize`,
        query: { h: String(rows), w: String(columns) },
        subject: `Resize the terminal of ${subject}`,
        signal,
      });
    });
  }

  /** The engine hands over the connection before the program runs. */
  async function isRunning(execId: string): Promise<boolean> {
    for (let attempt = 0; attempt < 100; attempt++) {
      const state = await readState(execId);
      if (state.Running) return true;
      if (state.ExitCode !== null && state.ExitCode !== undefined) return false;
      await clock.sleep(20, signal);
    }
    return false;
  }

  async function exitCodeOf(execId: string): Promise<number> {
    // The output may end a moment before the engine has the exit code.
    for (let waitMs = 5; waitMs < 3000; waitMs *= 2) {
      const { Running, ExitCode } = await readState(execId);
      if (!Running && ExitCode !== null && ExitCode !== undefined) return ExitCode;
      await clock.sleep(waitMs, signal);
    }
    throw truncatedError(subject, "the output ended, but the program did not");
  }

  function readState(execId: string): Promise<z.infer<typeof EXEC>> {
    const path = enginePath`/exec/${execId}/json`;
    return transport.json({ method: "GET", path, subject, signal }, EXEC);
  }
}

/** Moves input in and output out until the output ends. */
function carry(socket: Duplex, options: ExecOptions, subject: string): Promise<void> {
  const { signal, stdin, onOutput } = options;
  const decoder = options.tty === true ? undefined : createLogDecoder(subject);
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown): void => {
      if (stdin !== undefined) {
        stdin.unpipe(socket);
        stopInput?.();
      }
      if (error === undefined) resolve();
      else reject(error as Error);
    };
    socket.on("data", (bytes: Buffer) => {
      try {
        if (decoder === undefined) onOutput?.({ stream: "stdout", bytes });
        else for (const chunk of decoder.decode(bytes)) onOutput?.(chunk);
      } catch (error) {
        socket.destroy();
        settle(error);
      }
    });
    socket.on("end", () => {
      if (decoder === undefined || decoder.complete) settle();
      else settle(truncatedError(subject, "the output ended inside a frame"));
    });
    socket.on("error", (cause) => {
      if (signal?.aborted === true) settle(signal.reason);
      else if (isEngineError(cause)) settle(cause);
      else settle(truncatedError(subject, "the connection broke off", cause));
    });
    socket.on("close", () => {
      settle(
        signal?.aborted === true ? signal.reason : truncatedError(subject, "closed too early"),
      );
    });
    const stopInput =
      stdin === undefined
        ? undefined
        : finished(stdin, { writable: false }, (error) => {
            if (error !== null && error !== undefined) {
              socket.destroy();
              settle(error);
            }
          });
    // pipe() ends the socket's writing side, which is the program's end of input.
    stdin?.pipe(socket);
  });
}
