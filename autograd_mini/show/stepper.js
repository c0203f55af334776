"use strict";
// Steps through any picture. It finds its facts in the page:
//   .node[data-key][data-name]  a node of the picture; [data-number] what a node without slots says of itself
//   .edge[data-key]             an edge
//   text[data-slot]             a number in the picture, empty until a step shows it
//   #steps li                   a step, in order, with a button (its line) and a template (its typeset formulas), and
//     data-node                 the node that it is about
//     data-from                 the node that its number comes from, if it is about one
//     data-edges                the edges it goes along
//     data-uses                 the nodes whose numbers it uses
//     data-shows                [[slot, text, class], …]: the numbers that it writes into the picture
//     data-flows                whether the edges keep their colours from then on
//     data-title, data-said     what happens, as a title and in a sentence
(() => {
  const find = (id) => document.getElementById(id);
  const items = [...document.querySelectorAll("#steps li")];
  const nodes = new Map([...document.querySelectorAll(".node[data-key]")].map((node) => [node.dataset.key, node]));
  const edges = new Map([...document.querySelectorAll(".edge[data-key]")].map((edge) => [edge.dataset.key, edge]));
  const slots = new Map([...document.querySelectorAll("[data-slot]")].map((slot) => [slot.dataset.slot, slot]));
  const drawing = document.querySelector("#graph > svg");
  const graph = find("graph");
  const slider = find("slider");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const pace = 1600; // milliseconds for each step while playing
  let current = 0;
  let timer = null;
  let isReady = false;
  let pinned = null; // the node whose uses are visited one after another

  const words = (item, name) => (item.dataset[name] ?? "").split(" ").filter(Boolean);
  const steps = items.map((item) => ({
    item,
    node: item.dataset.node,
    edges: words(item, "edges"),
    uses: words(item, "uses"),
    shows: JSON.parse(item.dataset.shows ?? "[]"),
    flows: item.dataset.flows !== undefined,
  }));

  slider.max = items.length;

  // Shows the picture as it stands after the current step: all that is known by then follows from the list.
  function showGraph() {
    const known = steps.slice(0, current + 1);
    const { node: now, edges: along, item } = steps[current];
    const reached = new Set(known.map((step) => step.node));
    const shown = new Map(known.flatMap((step) => step.shows).map(([slot, ...what]) => [slot, what]));
    const used = new Set(known.filter((step) => step.flows).flatMap((step) => step.edges));
    for (const [key, slot] of slots) {
      const [text, kind] = shown.get(key) ?? [slot.textContent, ""];
      slot.textContent = text;
      slot.setAttribute("class", [slot.dataset.kind, kind, shown.has(key) ? "" : "ahead"].filter(Boolean).join(" "));
      if (slot.closest(".node")) fitText(slot);
    }
    for (const [key, node] of nodes) {
      node.classList.toggle("ahead", !reached.has(key));
      node.classList.toggle("now", key === now);
      node.classList.toggle("from", key === item.dataset.from);
      node.setAttribute("tabindex", key === now ? "0" : "-1");
      const own = [...node.querySelectorAll("[data-slot]:not(.ahead)")].map((slot) => slot.textContent);
      const numbers = own.length || !reached.has(key) ? own : [node.dataset.number];
      node.setAttribute("aria-label", `${node.dataset.name}: ${[...numbers, "go to its next step"].join(", ")}`);
    }
    for (const [key, edge] of edges) {
      edge.classList.toggle("ahead", !used.has(key));
      edge.classList.toggle("lit", along.includes(key));
    }
  }

  // What is found on the way may be longer than the number that the node was drawn for.
  function fitText(text) {
    const box = text.closest(".node").getBBox();
    text.removeAttribute("textLength");
    const left = text.getBBox().x - box.x;
    if (text.getComputedTextLength() > box.width - left - 3) {
      text.setAttribute("textLength", Math.max(1, box.width - left - 3));
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
    showLinks();
    fitFormula();
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

  const stepsOf = (key) => steps.flatMap((step, i) => (step.node === key ? [i] : []));
  const usesOf = (key) => steps.flatMap((step, i) => (step.uses.includes(key) ? [i] : []));

  // Links to the other steps about the current node, and to those that use its numbers.
  function showLinks() {
    const key = pinned ?? steps[current].node;
    const name = nodes.get(key)?.dataset.name ?? key;
    const uses = usesOf(key);
    const used = uses.length ? [", used in", ...links(uses)] : [];
    find("links").replaceChildren(`${name}: found in`, ...links(stepsOf(key)), ...used);
  }

  function links(places) {
    const listed = places.slice(0, 12).flatMap((i) => {
      const link = document.createElement("button");
      link.type = "button";
      link.textContent = i + 1;
      link.setAttribute("aria-label", `Step ${i + 1}: ${items[i].querySelector("button").textContent}`);
      if (i === current) link.setAttribute("aria-current", "step");
      link.addEventListener("click", () => goTo(i));
      return [" ", link];
    });
    return places.length > 12 ? [...listed, " …"] : listed;
  }

  // Makes the formula as large as there is room for: a little smaller rather than broken into lines, and else broken.
  function fitFormula() {
    const box = find("formula");
    box.style.fontSize = "";
    const largest = parseFloat(getComputedStyle(box).fontSize);
    for (const [wraps, least] of [[false, 0.7], [true, 0.45]]) {
      box.classList.toggle("wraps", wraps);
      for (let size = largest; size > largest * least; size *= 0.94) {
        box.style.fontSize = `${size}px`;
        if (box.scrollWidth <= box.clientWidth && box.scrollHeight <= box.clientHeight) return;
      }
    }
  }

  // Scrolls a box, never the page, until an element in it is in sight.
  function reveal(box, element) {
    const outer = box.getBoundingClientRect();
    const inner = element.getBoundingClientRect();
    if (inner.top < outer.top || inner.bottom > outer.bottom) {
      const behavior = calm.matches || !isReady ? "auto" : "smooth";
      box.scrollBy({ top: (inner.top + inner.bottom - outer.top - outer.bottom) / 2, behavior });
    }
  }

  function go(step) {
    current = Math.min(Math.max(step, 0), items.length - 1);
    showGraph();
    showText();
    follow();
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
    pinned = null;
    if (current === items.length - 1) go(0);
    if (items.length === 1) return;
    timer = setInterval(() => go(current + 1), pace);
    find("play").classList.add("playing");
    find("play").setAttribute("aria-label", "Pause");
  }

  function goTo(step) {
    pause();
    pinned = null;
    go(step);
  }

  // Goes to the next of some places, and after the last one to the first.
  const nextOf = (places) => places.find((i) => i > current) ?? places[0];
  const goToNode = (key) => goTo(nextOf(stepsOf(key)));

  function goToUse() {
    pause();
    pinned ??= steps[current].node;
    const uses = usesOf(pinned);
    if (uses.length) go(nextOf(uses));
    else pinned = null;
  }

  // The picture: `scale` pixels for each of its units, around a point of it.
  const [x0, y0, width, height] = drawing.getAttribute("viewBox").split(" ").map(Number);
  const view = { scale: 1, x: x0 + width / 2, y: y0 + height / 2, mode: "read" }; // or "whole", or "free"
  const type = () => parseFloat(getComputedStyle(document.documentElement).fontSize) / 15;
  const fitting = () => Math.min(graph.clientWidth / width, graph.clientHeight / height);

  function setView(scale, x, y) {
    const [across, down] = [graph.clientWidth / scale, graph.clientHeight / scale];
    // What is smaller than the room for it stands in the middle, and what is larger fills it.
    const kept = (at, from, size, room) =>
      size <= room ? from + size / 2 : Math.min(Math.max(at, from + room / 2), from + size - room / 2);
    Object.assign(view, { scale, x: kept(x, x0, width, across), y: kept(y, y0, height, down) });
    drawing.setAttribute("viewBox", [view.x - across / 2, view.y - down / 2, across, down].join(" "));
    graph.classList.toggle("movable", width * scale > graph.clientWidth + 1 || height * scale > graph.clientHeight + 1);
  }

  // All of it; in the mode "read" never so small that it can't be read, then it moves along with the steps.
  function fitGraph() {
    if (view.mode === "free") return setView(view.scale, view.x, view.y);
    const scale = Math.min(fitting(), 3.2 * type());
    setView(view.mode === "read" ? Math.max(scale, type()) : scale, view.x, view.y);
    follow();
  }

  function zoom(factor, event) {
    const box = graph.getBoundingClientRect();
    const least = Math.min(fitting(), type()) / 1.5;
    const scale = Math.min(Math.max(view.scale * factor, least), 8 * type());
    const right = event ? event.clientX - box.left - box.width / 2 : 0;
    const below = event ? event.clientY - box.top - box.height / 2 : 0;
    view.mode = "free";
    setView(scale, view.x + right / view.scale - right / scale, view.y + below / view.scale - below / scale);
  }

  const move = (right, down) => setView(view.scale, view.x + right / view.scale, view.y + down / view.scale);

  // Moves the picture until the nodes of the current step are in sight, or at least the one that it is about.
  function follow() {
    const keys = [steps[current].node, items[current].dataset.from, ...(steps[current].flows ? [] : steps[current].uses)];
    const boxes = keys.map((key) => nodes.get(key)?.getBoundingClientRect()).filter(Boolean);
    if (!boxes.length) return;
    const outer = graph.getBoundingClientRect();
    const around = (some) => ({
      left: Math.min(...some.map((box) => box.left)),
      right: Math.max(...some.map((box) => box.right)),
      top: Math.min(...some.map((box) => box.top)),
      bottom: Math.max(...some.map((box) => box.bottom)),
    });
    const all = around(boxes);
    const isTooLarge = all.right - all.left > outer.width || all.bottom - all.top > outer.height;
    const { left, right, top, bottom } = isTooLarge ? around(boxes.slice(0, 1)) : all;
    if (left >= outer.left && right <= outer.right && top >= outer.top && bottom <= outer.bottom) return;
    move((left + right - outer.left - outer.right) / 2, (top + bottom - outer.top - outer.bottom) / 2);
  }

  function setSlides(isOn) {
    document.body.classList.toggle("slide", isOn);
    find("slides").setAttribute("aria-pressed", isOn);
    if (view.mode === "free") view.mode = "read";
    fitFormula();
    fitGraph();
  }

  const isSlides = () => document.body.classList.contains("slide");
  const acts = {
    first: () => goTo(0),
    back: () => goTo(current - 1),
    play: () => (timer === null ? play() : pause()),
    next: () => goTo(current + 1),
    last: () => goTo(items.length - 1),
    use: goToUse,
    in: () => zoom(1.25),
    out: () => zoom(0.8),
    fit: () => {
      view.mode = view.mode === "whole" ? "read" : "whole";
      fitGraph();
    },
    slides: () => setSlides(!isSlides()),
    keys: () => find("help").showModal(),
    leave: () => setSlides(false),
  };
  const keys = {
    Home: "first", ArrowLeft: "back", " ": "play", ArrowRight: "next", End: "last", PageUp: "back", PageDown: "next",
    u: "use", "+": "in", "=": "in", "-": "out", 0: "fit", s: "slides", "?": "keys", Escape: "leave",
  };
  const moves = { ArrowLeft: [-80, 0], ArrowRight: [80, 0], ArrowUp: [0, -80], ArrowDown: [0, 80] };

  for (const [id, act] of Object.entries(acts)) find(id)?.addEventListener("click", act);
  slider.addEventListener("input", () => goTo(Number(slider.value) - 1));
  items.forEach((item, i) => item.querySelector("button").addEventListener("click", () => goTo(i)));
  for (const [key, node] of nodes) {
    node.addEventListener("click", () => wasDragged || goToNode(key));
    node.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation();
      goToNode(key);
      nodes.get(items[current].dataset.node).focus();
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || find("help").open) return;
    if (event.shiftKey && moves[event.key]) {
      event.preventDefault();
      view.mode = "free";
      return move(...moves[event.key]);
    }
    const id = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    const isNative = event.key === " " ? event.target.closest("button") : event.target === slider && event.key.length > 1;
    if (!id || isNative || (id === "leave" && !isSlides())) return;
    event.preventDefault();
    acts[id]();
  });

  // Dragging, and the wheel. Where the page itself scrolls, the wheel is the page's.
  let dragged = null;
  let wasDragged = false;
  graph.addEventListener("pointerdown", (event) => {
    wasDragged = false;
    dragged = event.button === 0 && graph.classList.contains("movable") ? { x: event.clientX, y: event.clientY } : null;
  });
  addEventListener("pointermove", (event) => {
    if (!dragged) return;
    const [right, down] = [event.clientX - dragged.x, event.clientY - dragged.y];
    if (!wasDragged && Math.hypot(right, down) < 4) return;
    wasDragged = true;
    dragged = { x: event.clientX, y: event.clientY };
    view.mode = "free";
    move(-right, -down);
  });
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => (dragged = null));
  graph.addEventListener(
    "wheel",
    (event) => {
      const scrolls = window !== parent || document.documentElement.scrollHeight > innerHeight + 1;
      if (scrolls && !event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / (event.deltaMode ? 15 : 400)), event);
    },
    { passive: false },
  );
  addEventListener("resize", () => {
    fitFormula();
    fitGraph();
  });

  // An address may name a step, and slides: steps.html#7, steps.html#7-slides.
  const [, step, slides] = location.hash.match(/^#(\d+)?-?(slides)?$/) ?? [];
  fitGraph();
  go((step ?? 1) - 1);
  if (slides) setSlides(true);
  setTimeout(() => {
    isReady = true; // from here on, changes are seen as they happen
    document.body.classList.add("ready");
  }, 50);
})();
