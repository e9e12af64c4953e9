import { describe, expect, it } from "vitest";
import { plainText, readShell } from "./read-shell.js";

const commands = (script: string): string[] =>
  readShell(script).map(({ words }) => words.map(plainText).join(" "));

describe("readShell", () => {
  it.each<[string, string[]]>([
    ["a && b || c; d | e & f", ["a", "b", "c", "d", "e", "f"]],
    ["a 'x;y' \"p && q\" r\\;s", ["a x;y p && q r;s"]],
    ["a > out 2>&1 < in >>log &>both b", ["a b"]],
    ["a <<< word b", ["a b"]],
    ["a # b; c\nd", ["a", "d"]],
    ["a b#c", ["a b#c"]],
    ["if a; then b; elif c; then d; else e; fi", ["a", "b", "c", "d", "e"]],
    ["for x in 1 2; do a $x; done", ["for x in 1 2", "a $x"]],
    ["while ! a; do b; done", ["a", "b"]],
    ["{ a; b; } && (c; d)", ["a", "b", "c", "d"]],
    ["f() { a; }", ["f", "a"]],
    ["case $x in y) a;; z) b;; esac", ["case $x in y", "a", "z", "b"]],
    ["a $(b | c) `d e`", ["b", "c", "d e", "a $(b | c) `d e`"]],
    ['a "$(b "$(c)")"', ["c", "b $(c)", 'a $(b "$(c)")']],
    ["a <(b)", ["b", "a <(b)"]],
    ["a $((1 + 2)) b", ["a $((1 + 2)) b"]],
    ["a ${x:-b c} d", ["a ${x:-b c} d"]],
    ["a \\\n b", ["a b"]],
    ["cat <<A <<'B' > f\nx; y\nA\nz\nB\nd", ["cat", "d"]],
    ["cat <<-A\n\tx\n\tA\nd", ["cat", "d"]],
    ["a '' \"\"", ["a  "]],
    ["", []],
    [";;; &&", []],
    ["'", [""]],
    ["a $(b", ["b", "a $(b"]],
  ])("%j is %j", (script, expected) => {
    expect(commands(script)).toEqual(expected);
  });

  it("joins commands by their pipeline", () => {
    const [a, b, c] = readShell("a | b; c");
    expect(a?.pipeline).toBe(b?.pipeline);
    expect(b?.pipeline).not.toBe(c?.pipeline);
  });

  it("keeps the body of a heredoc with its command", () => {
    expect(readShell("sh <<A\napk add x\nA\n")[0]?.heredocs).toEqual(["apk add x\n"]);
  });
});
