import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { defineConfig } from "vite";

const ROOT = import.meta.dirname;

/** Libraries that become part of the pages; their licences go along. */
const BUNDLED = ["preact", "@preact/signals", "@preact/signals-core"];

/** What the build is made of, as one number; tests/studio/pages/test_web_files.py computes the same. */
function sourcesDigest() {
  const files = ["index.html", "package-lock.json", "tsconfig.json", "vite.config.js"].map((name) => join(ROOT, name));
  for (const entry of readdirSync(join(ROOT, "src"), { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && relative(ROOT, path) !== join("src", "api", "types.ts")) files.push(path);
  }
  const names = new Map(files.map((path) => [relative(ROOT, path).split("\\").join("/"), path]));
  const digest = createHash("sha256");
  for (const name of [...names.keys()].sort()) {
    digest.update(`${name}\0`);
    digest.update(readFileSync(names.get(name)));
    digest.update("\0");
  }
  return digest.digest("hex");
}

export default defineConfig({
  root: ROOT,
  esbuild: { jsx: "automatic", jsxImportSource: "preact", legalComments: "inline" },
  plugins: [
    {
      name: "say-what-it-was-built-from",
      generateBundle() {
        const texts = BUNDLED.map((name) => `${name}\n\n${readFileSync(join(ROOT, "node_modules", name, "LICENSE"), "utf8")}`);
        this.emitFile({ type: "asset", fileName: "licenses.txt", source: texts.join("\n\n") });
      },
      transformIndexHtml: () => [{ tag: "meta", attrs: { name: "sources", content: sourcesDigest() }, injectTo: "head" }],
    },
  ],
  build: {
    outDir: "../src/egoact/studio/web",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    assetsInlineLimit: 0,
  },
});
