// Makes the cells of a page editable and runs them, and the page's console, by Python in worker.js.

const page = document.querySelector("article") ?? document.body;
const cells = [...document.querySelectorAll("div.cell")].filter((cell) => cell.querySelector(".cell_input pre"));
const consoleArea = document.querySelector("#live-console");

const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
};

// Python: one thread, which does one thing after another.

let worker = null;
let count = 0;
const waiting = new Map(); // from a message's id to what takes the answers

function start() {
    worker ??= new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data: { id, kind, text } }) => {
        if (kind === "status") status.textContent = text;
        else waiting.get(id)?.(kind, text);
    };
    worker.onerror = (event) => (status.textContent = `Python can't be started: ${event.message}`);
    return worker;
}

// Run code and show in `output` what comes; the promise gives "ran", "failed", "more", "stopped", or "broken" where
// Python itself has failed, such as out of stack or memory.
function run(code, cell, output, isConsole = false) {
    const id = ++count;
    return new Promise((resolve) => {
        waiting.set(id, (kind, text) => {
            if (kind !== "done" && kind !== "more") return show(output, kind, text);
            waiting.delete(id);
            if (waiting.size === 0) status.textContent = "Python is ready";
            stop.disabled = waiting.size === 0;
            if (text === "broken") stopPython();
            resolve(kind === "done" ? text : kind);
        });
        start().postMessage({ id, cell, code, isConsole });
        stop.disabled = false;
    });
}

function stopPython() {
    worker.terminate();
    worker = null;
    for (const answer of waiting.values()) answer("done", "stopped");
    for (const cell of cells) delete cell.dataset.state;
    status.textContent = "Python has ended, and what it knew is gone. The next run starts it anew.";
}

function show(output, kind, text) {
    if (kind === "html") {
        output.append(make("div", { className: "live-html", innerHTML: text }));
        return;
    }
    const name = kind === "error" ? "live-error" : "live-text";
    if (output.lastElementChild?.className !== name) output.append(make("pre", { className: name }));
    const lines = output.lastElementChild;
    // A line that a carriage return begins anew, such as a bar of progress.
    lines.textContent = (lines.textContent + text).replaceAll(/^.*\r(?=[^\n])/gm, "");
}

// Cells. A cell is run after those above it that have not been run.

async function runTo(last) {
    for (const cell of cells.slice(0, last + 1)) {
        const isAsked = cell === cells[last];
        if (cell.dataset.state === "running" || (cell.dataset.state === "ran" && !isAsked)) continue;
        if ((await runCell(cell)) !== "ran") return;
    }
}

async function runCell(cell) {
    cell.querySelector(".cell_output")?.remove();
    const output = cell.appendChild(make("div", { className: "cell_output live-output", ariaLive: "polite" }));
    cell.dataset.state = "running";
    const code = cell.querySelector(".cell_input pre").textContent;
    const outcome = await run(code, `cell ${cells.indexOf(cell) + 1}`, output);
    cell.dataset.state = outcome;
    return outcome;
}

cells.forEach((cell, index) => {
    const code = cell.querySelector(".cell_input pre");
    code.contentEditable = "plaintext-only";
    code.spellcheck = false;
    code.ariaLabel = `code of cell ${index + 1}`;
    code.addEventListener("input", () => delete cell.dataset.state);
    code.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || !(event.shiftKey || event.ctrlKey || event.metaKey)) return;
        event.preventDefault();
        runTo(index);
        if (event.shiftKey) cells[index + 1]?.querySelector("pre").focus();
    });
    const button = make("button", { type: "button", className: "live-run", textContent: "Run", title: "Shift+Enter" });
    button.addEventListener("click", () => runTo(index));
    cell.querySelector(".cell_input").append(button);
});

// The bar: what Python is doing, and how to stop it.

const status = make("span", { className: "live-status", role: "status" });
const stop = make("button", { type: "button", textContent: "Stop", disabled: true });
const runAll = make("button", { type: "button", textContent: "Run all" });
stop.addEventListener("click", stopPython);
runAll.addEventListener("click", () => runTo(cells.length - 1));
if (cells.length > 0) {
    status.textContent = "This page's code can be changed and run, here in the browser.";
    page.querySelector("h1").after(make("div", { className: "live-bar" }, runAll, stop, status));
}

// The console.

if (consoleArea) {
    const log = make("div", { className: "live-log", ariaLive: "polite" });
    const input = make("textarea", { rows: 1, spellcheck: false, ariaLabel: "Python console", autocapitalize: "off" });
    const prompt = make("span", { className: "live-prompt", textContent: ">>>" });
    consoleArea.replaceChildren(log, make("div", { className: "live-line" }, prompt, input));
    const history = [];
    let place = 0;
    const fill = (text) => {
        input.value = text;
        input.rows = text.split("\n").length;
    };
    const enter = async () => {
        const code = input.value;
        const output = make("div", { className: "live-output" });
        const entry = make("pre", { className: "live-entry", textContent: `>>> ${code.replaceAll("\n", "\n... ")}` });
        log.append(entry, output);
        fill("");
        if ((await run(code, "console", output, true)) === "more") {
            entry.remove();
            output.remove();
            fill(`${code}\n${input.value}`);
        } else place = history.push(code);
        input.scrollIntoView({ block: "nearest" });
    };
    input.addEventListener("input", () => fill(input.value));
    input.addEventListener("keydown", (event) => {
        const isAlone = !input.value.includes("\n");
        const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
        if (event.key === "Enter" && !event.shiftKey) {
            event.preventDefault();
            if (input.value.trim() !== "") enter();
        } else if (event.key === "Tab" && !event.shiftKey && input.value !== "") {
            event.preventDefault();
            input.setRangeText("    ", input.selectionStart, input.selectionEnd, "end");
        } else if (step && (isAlone || history.includes(input.value))) {
            event.preventDefault();
            place = Math.min(Math.max(place + step, 0), history.length);
            fill(history[place] ?? "");
        }
    });
    start(); // so that it is ready when the first line is
}
