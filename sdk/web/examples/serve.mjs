// Serves the examples, built in memory.
import { context } from "esbuild";

process.chdir(import.meta.dirname);
const examples = await context({
  entryPoints: {
    "react/app": "react/app.tsx",
    "vue/app": "vue/app.ts",
    "next-style/app": "next-style/app.tsx",
  },
  bundle: true,
  splitting: true,
  format: "esm",
  jsx: "automatic",
  outdir: ".",
});
const { port } = await examples.serve({ host: "127.0.0.1", port: 8080, servedir: "." });
for (const name of ["plain", "react", "vue", "next-style"]) console.log(`http://127.0.0.1:${port}/${name}/`);
