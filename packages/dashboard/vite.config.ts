import { defineConfig } from "vite";

/** Builds the page into `dist/page`, from where the server reads it. */
export default defineConfig({
  root: "ui",
  // The server writes the path of the dashboard before these paths.
  base: "./",
  build: {
    outDir: "../dist/page",
    emptyOutDir: true,
    target: "es2023",
    // One style sheet: nothing moves when a page is loaded.
    cssCodeSplit: false,
    // Small files are not put into others as data: the policy of the page would refuse scripts and styles.
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
    // The licences of what is bundled ask for a copy.
    license: { fileName: "licenses.md" },
  },
});
