import { defineConfig } from "vite";

// A running `sibao serve` answers what the page asks while it is developed (`npm run dev`).
const server = "http://127.0.0.1:8000";

export default defineConfig({
  base: "./", // works behind a path of a reverse proxy too
  build: {
    outDir: "../src/sibao/server/page",
    emptyOutDir: true,
    target: "es2022",
    sourcemap: false,
    assetsInlineLimit: 0, // the page's policy allows no data: but pictures
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { "/api": server, "/v1": server } },
});
