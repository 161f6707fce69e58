import { defineConfig } from 'vite';

export default defineConfig({
  // Relative, so that the pages also work behind a proxy that puts the server below a path.
  base: './',
  build: {
    // dist/.gitignore stays: Cargo watches the folder (see build.rs), so it has to be there before the first build.
    emptyOutDir: false,
    // The CSP of the pages admits no `data:` scripts or fonts.
    assetsInlineLimit: 0,
    // Monaco, the editor, is large, and the page is nothing without it.
    chunkSizeWarningLimit: 5000,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: 'graphiql.html',
      onLog(level, log, report) {
        // "use client" is for servers that render React; here is none.
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') {
          report(level, log);
        }
      },
    },
  },
  worker: { format: 'es' },
});
