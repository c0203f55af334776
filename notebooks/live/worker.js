// Python, in a thread beside the page. Gets {id, cell, code, isConsole}; posts {id, kind, text}. The kinds are text, html
// and error of live.py, stream for what is printed, status, more where a console's lines are not complete, and done.
import { loadPyodide } from "../pyodide/pyodide.mjs";

let current = null;
const post = (kind, text) => postMessage({ id: current, kind, text });

async function start() {
    post("status", "Python is loading …");
    const python = await loadPyodide({ indexURL: new URL("../pyodide/", import.meta.url).href });
    const decoder = new TextDecoder();
    const write = (bytes) => {
        post("stream", decoder.decode(bytes, { stream: true }));
        return bytes.length;
    };
    python.setStdout({ write, isatty: true });
    python.setStderr({ write, isatty: true });
    python.setStdin({ error: true });
    const quiet = { messageCallback: () => {} };
    const [packages] = await Promise.all([load("packages.zip"), python.loadPackage("numpy", quiet)]);
    python.unpackArchive(packages, "zip");
    return { python, live: python.pyimport("live"), quiet };
}

async function load(name) {
    const answer = await fetch(new URL(name, import.meta.url));
    if (!answer.ok) throw new Error(`${name} is not there: ${answer.status}`);
    return answer.arrayBuffer();
}

async function run({ id, cell, code, isConsole }) {
    current = id;
    let outcome = "broken";
    try {
        const { python, live, quiet } = await started;
        if (isConsole && !live.is_complete(code)) {
            post("more", "");
            return;
        }
        post("status", "running …");
        await python.loadPackagesFromImports(code, quiet);
        // What nn imports when it plots, and not before.
        if (/\b(plot|animate)\w*\(/.test(code)) await python.loadPackage("matplotlib", quiet);
        outcome = (await live.run(code, cell, post)) ? "ran" : "failed";
    } catch (error) {
        post("error", String(error));
    }
    post("done", outcome);
}

const started = start();
started.then(() => post("status", "Python is ready"), (error) => post("status", `Python can't be loaded: ${error}`));
let last = started.catch(() => {});
onmessage = (event) => {
    last = last.then(() => run(event.data));
};
