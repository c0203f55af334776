// Runs a Python file by Pyodide in Node: node pyodide.mjs DISTRIBUTION PACKAGES.zip FILE.py PACKAGES...
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [distribution, archive, file, ...packages] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(resolve(distribution, "pyodide.mjs")));
const python = await loadPyodide({ indexURL: `${resolve(distribution)}/` });
const quiet = { messageCallback: () => {} };
python.unpackArchive(new Uint8Array(readFileSync(archive)), "zip");
await python.loadPackage(["numpy", ...packages], quiet);
try {
    python.runPython(readFileSync(file, "utf8"));
} catch (error) {
    console.error(error.message);
    process.exitCode = 1;
}
