import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/** Writes the service worker last: it names every file of the shell, and a hash of all of them. */
function serviceWorker(): Plugin {
  let out = '';
  return {
    name: 'keepsight-service-worker',
    apply: 'build',
    configResolved(config) {
      out = config.build.outDir;
    },
    closeBundle() {
      const files = readdirSync(out).filter((name) => name !== 'sw.js').sort();
      const template = readFileSync('src/sw.js', 'utf8');
      const hash = createHash('sha256').update(template);
      for (const name of files) hash.update(name).update(readFileSync(join(out, name)));
      const paths = files.map((name) => (name === 'index.html' ? '/' : `/${name}`));
      const text = template
        .replace("'__VERSION__'", JSON.stringify(hash.digest('hex').slice(0, 16)))
        .replace("'__FILES__'", JSON.stringify(paths));
      writeFileSync(join(out, 'sw.js'), text);
    },
  };
}

export default defineConfig({
  plugins: [svelte(), serviceWorker()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: false,
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    reportCompressedSize: false,
    rollupOptions: {
      output: {
        // One file each, by fixed names: the hub's route table lists them, and an ETag tells versions apart.
        inlineDynamicImports: true,
        entryFileNames: 'app.js',
        assetFileNames: 'app[extname]',
      },
    },
  },
  test: { include: ['tests/**/*.test.ts'], environment: 'node' },
});
