
"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  const items = [...document.querySelectorAll("#steps li")];
  const nodes = new Map([...document.querySelectorAll(".node[data-key]")].map((node) => [node.dataset.key, node]));
  const edges = new Map([...document.querySelectorAll(".edge[data-key]")].map((edge) => [edge.dataset.key, edge]));
  const drawing = document.querySelector("#graph > svg");
  const slider = find("slider");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const pace = 1600; // milliseconds for each step while playing
  let current = 0;
  let timer = null;

  slider.max = items.length;

  const isForward = (item) => item.dataset.grad === undefined;
  const edgesOf = (item) => item.dataset.edges.split(" ").filter(Boolean);

  // Shows the graph as it stands after the current step: all that is known by then follows from the list.
  function showGraph() {
    const known = items.slice(0, current + 1);
    const now = items[current].dataset;
    const lit = new Set(edgesOf(items[current]));
    const computed = new Set(known.filter(isForward).map((item) => item.dataset.node));
    const found = new Map(known.filter((item) => !isForward(item)).map((item) => [item.dataset.node, item.dataset]));
    const used = new Set(known.filter((item) => !isForward(item)).flatMap(edgesOf));
    for (const [key, node] of nodes) {
      node.classList.toggle("ahead", !computed.has(key));
      node.classList.toggle("now", key === now.node);
      node.classList.toggle("from", key === now.from);
      node.setAttribute("tabindex", key === now.node ? "0" : "-1");
      const numbers = [computed.has(key) && node.dataset.number, found.get(key)?.grad];
      const said = [...numbers, "go to its next step"].filter(Boolean).join(", ");
      node.setAttribute("aria-label", `${node.dataset.name}: ${said}`);
      const grad = node.querySelector(".grad");
      if (grad) {
        grad.setAttribute("class", found.has(key) ? `grad ${found.get(key).sign}` : "grad ahead");
        if (found.has(key)) grad.textContent = found.get(key).grad;
        fitText(grad);
      }
    }
    for (const [key, edge] of edges) {
      edge.classList.toggle("ahead", !used.has(key));
      edge.classList.toggle("lit", lit.has(key));
    }
  }

  // What is found on the way to a gradient may be longer than the gradient that the node was drawn for.
  function fitText(text) {
    const room = text.closest(".node").getBBox().width;
    text.removeAttribute("textLength");
    const left = text.getBBox().x - text.closest(".node").getBBox().x;
    if (text.getComputedTextLength() > room - left - 3) {
      text.setAttribute("textLength", Math.max(1, room - left - 3));
      text.setAttribute("lengthAdjust", "spacingAndGlyphs");
    }
  }

  function showText() {
    const item = items[current];
    find("title").textContent = item.dataset.title;
    find("count").textContent = `Step ${current + 1} of ${items.length}`;
    find("formula").replaceChildren(item.querySelector("template").content.cloneNode(true));
    find("formula").setAttribute("aria-label", item.querySelector("button").textContent);
    find("said").textContent = item.dataset.said;
    slider.value = current + 1;
    slider.setAttribute("aria-valuetext", `Step ${current + 1} of ${items.length}`);
    items.forEach((other, i) => {
      other.classList.toggle("ahead", i > current);
      other.classList.toggle("now", i === current);
      other.querySelector("button").setAttribute("aria-current", i === current ? "step" : "false");
    });
    for (const id of ["first", "back"]) find(id).setAttribute("aria-disabled", current === 0);
    for (const id of ["next", "last"]) find(id).setAttribute("aria-disabled", current === items.length - 1);
  }

  // Scrolls a box, never the page, until an element in it is in sight.
  function reveal(box, element) {
    const outer = box.getBoundingClientRect();
    const inner = element.getBoundingClientRect();
    const behavior = calm.matches ? "auto" : "smooth";
    if (inner.left < outer.left || inner.right > outer.right || inner.top < outer.top || inner.bottom > outer.bottom) {
      box.scrollBy({
        left: (inner.left + inner.right - outer.left - outer.right) / 2,
        top: (inner.top + inner.bottom - outer.top - outer.bottom) / 2,
        behavior,
      });
    }
  }

  function go(step) {
    current = Math.min(Math.max(step, 0), items.length - 1);
    showGraph();
    showText();
    const node = nodes.get(items[current].dataset.node);
    if (node) reveal(find("graph"), node);
    if (getComputedStyle(find("steps")).overflowY === "auto") reveal(find("steps"), items[current]);
    if (current === items.length - 1) pause();
  }

  function pause() {
    clearInterval(timer);
    timer = null;
    find("play").classList.remove("playing");
    find("play").setAttribute("aria-label", "Play");
  }

  function play() {
    if (current === items.length - 1) go(0);
    if (items.length === 1) return;
    timer = setInterval(() => go(current + 1), pace);
    find("play").classList.add("playing");
    find("play").setAttribute("aria-label", "Pause");
  }

  function goTo(step) {
    pause();
    go(step);
  }

  // Goes to the next step that is about this node, and after its last one to its first.
  function goToNode(key) {
    const own = items.map((item, i) => i).filter((i) => items[i].dataset.node === key);
    goTo(own.find((i) => i > current) ?? own[0]);
  }

  // Draws the graph as large as there is room for, but never too small to be read: then it scrolls.
  function fitGraph() {
    const [, , width, height] = drawing.getAttribute("viewBox").split(" ").map(Number);
    const style = getComputedStyle(find("graph"));
    const border = 2 * (parseFloat(style.paddingLeft) + parseFloat(style.borderLeftWidth));
    const across = (find("graph").offsetWidth - border) / width;
    const down = (parseFloat(style.maxHeight) - border) / height;
    drawing.style.width = `${width * Math.min(Math.max(Math.min(across, down), 0.95), 1.9)}px`;
    drawing.style.maxWidth = "none";
  }

  const acts = {
    first: () => goTo(0),
    back: () => goTo(current - 1),
    play: () => (timer === null ? play() : pause()),
    next: () => goTo(current + 1),
    last: () => goTo(items.length - 1),
  };
  const keys = { Home: "first", ArrowLeft: "back", " ": "play", ArrowRight: "next", End: "last" };

  for (const [id, act] of Object.entries(acts)) find(id).addEventListener("click", act);
  slider.addEventListener("input", () => goTo(Number(slider.value) - 1));
  items.forEach((item, i) => item.querySelector("button").addEventListener("click", () => goTo(i)));
  for (const [key, node] of nodes) {
    node.addEventListener("click", () => goToNode(key));
    node.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation();
      goToNode(key);
      nodes.get(items[current].dataset.node).focus();
    });
  }
  document.addEventListener("keydown", (event) => {
    const id = keys[event.key];
    const isNative = event.key === " " ? event.target.closest("button") : event.target === slider;
    if (!id || isNative || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    acts[id]();
  });
  addEventListener("resize", fitGraph);

  fitGraph();
  go(0);
})();
