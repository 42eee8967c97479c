// Streams a long answer through the Markdown renderer in Chromium and reports what an update costs at the
// beginning and at the end. See README.md.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The web workspace's own tools: this folder has no packages.
const web = createRequire(new URL("../../web/package.json", import.meta.url));
const { createServer } = await import(pathToFileURL(web.resolve("vite")).href);

const root = new URL(
  "../../web/packages/element/tests/browser/markdown/",
  import.meta.url,
);
const vite = await createServer({
  configFile: false,
  root: root.pathname,
  logLevel: "silent",
  appType: "custom",
  server: { middlewareMode: true, hmr: false, ws: false, watch: null },
});
const { MarkdownLab } = await vite.ssrLoadModule("/harness.ts");
const sample = await readFile(new URL("sample.md", root), "utf8");

const size = Number(process.env.SIZE ?? 60_000);
const deltas = Number(process.env.DELTAS ?? 10_000);

const fill = (piece) => {
  let text = "";
  for (let i = 1; text.length < size; i += 1) text += piece(i);
  return text;
};
const answers = {
  "mixed answer": fill(() => `${sample}\n`),
  "one list": fill(
    (i) =>
      `${i}. **Step ${i}**: run \`make\` and wait for [the page](https://example.com/${i}).\n`,
  ),
  "one table": `| n | word | note |\n|---|---|---|\n${fill((i) => `| ${i} | **word** | some \`code\` here |\n`)}`,
  "one code block": `\`\`\`python\n${fill((i) => `value_${i} = compute(${i}, "text")\n`)}\`\`\`\n`,
};

const mean = (values) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const lab = await MarkdownLab.start();
console.log(
  "answer            updates  first tenth  last tenth  ratio  worst update  longest task  (ms)",
);
for (const [name, text] of Object.entries(answers)) {
  const { page } = await lab.page();
  // Deltas arrive faster than frames; the element renders once a frame, so a step is the deltas of one frame.
  const step =
    Math.ceil(text.length / deltas) * Number(process.env.PER_FRAME ?? 4);
  const { costs, longest } = await page.evaluate(
    ([source, by]) => {
      globalThis.md.open();
      return globalThis.md.measure(source, by);
    },
    [text, step],
  );
  const tenth = Math.max(1, Math.floor(costs.length / 10));
  const first = mean(costs.slice(0, tenth));
  const last = mean(costs.slice(-tenth - 1, -1));
  const row = [
    costs.length,
    first.toFixed(2),
    last.toFixed(2),
    (last / first).toFixed(2),
    Math.max(...costs).toFixed(1),
    longest.toFixed(0),
  ];
  console.log(
    name.padEnd(18) +
      row
        .map((cell, i) => String(cell).padStart([7, 13, 12, 7, 14, 14][i]))
        .join(""),
  );
  await page.close();
}
await lab.stop();
await vite.close();
