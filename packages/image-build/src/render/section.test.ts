import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatElapsed, renderRow, renderSection, statusIcon } from "./section.js";

describe("a section", () => {
  test("has a header with the elapsed time, its rows and a closing rule", () => {
    expect(
      renderSection(
        "Builder",
        [{ label: "builder", value: "b" }, { separator: true }, "", "text"],
        {
          elapsedMs: 1500,
        },
      ),
    ).toBe(
      "\n    ── Builder ────────────────────────────────────── 1.5s ──\n" +
        "    │ builder       b\n" +
        "    ├─────────────────────────────────────────────────────────────\n" +
        "    │ \n" +
        "    │ text\n" +
        "    └─────────────────────────────────────────────────────────────\n",
    );
  });

  test("keeps at least one rule character in the header of a long name", () => {
    expect(renderSection("n".repeat(100), []).split("\n")[1]).toBe(`    ── ${"n".repeat(100)} ───`);
  });

  test("shows a status as an icon before the value, or alone", () => {
    expect(renderRow({ label: "bootstrap", value: "1.5s", status: "success" })).toBe(
      "    │ bootstrap     ✓ 1.5s\n",
    );
    expect(renderRow({ label: "bootstrap", value: "", status: "failed" })).toBe(
      "    │ bootstrap     ✗\n",
    );
  });

  test("paints icons and header only when asked", () => {
    expect(statusIcon("warning", true)).toBe("\u001b[33m⚠\u001b[0m");
    expect(statusIcon("other")).toBe("⊘");
    expect(renderSection("N", [], { color: true })).toContain("\u001b[2;36m── N ");
  });

  test("lets no text break out of its row or reach the terminal", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const rendered = renderSection(text, [text, { label: text, value: text }]);
        expect(rendered.split("\n")).toHaveLength(6);
        // oxlint-disable-next-line no-control-regex
        expect(rendered).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/);
      }),
    );
  });
});

test("elapsed time is milliseconds below a second, else seconds with one decimal", () => {
  expect([0, 999, 1000, 75_000].map(formatElapsed)).toEqual(["0ms", "999ms", "1.0s", "75.0s"]);
});
