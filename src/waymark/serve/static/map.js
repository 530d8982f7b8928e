// The outline of the world, to zoom and to drag. The projection is that of outline.py.

import { svg } from "./dom.js";

const WEST = -170, NORTH = 78, SOUTH = -57, SCALE = 10;
const CLOSEST = 100; // units: width of the closest view; the outline has no more to show
const USUAL = 420; // units: width of the view around one place
const LABEL = 13; // px

const mercator = (lat) => (Math.asinh(Math.tan((lat * Math.PI) / 180)) * 180) / Math.PI;

/** Where a place lies on the map, in its units. */
export function project(lat, lon) {
  const north = mercator(Math.min(Math.max(lat, SOUTH), NORTH));
  return [(((lon - WEST) % 360) + 360) % 360 * SCALE, (mercator(NORTH) - north) * SCALE];
}

/** Which place lies at a point of the map: [lat, lon], degrees. */
export function unproject(x, y) {
  const up = ((mercator(NORTH) - y / SCALE) * Math.PI) / 180;
  const lon = x / SCALE + WEST;
  return [(Math.atan(Math.sinh(up)) * 180) / Math.PI, lon > 180 ? lon - 360 : lon];
}

const pen = document.createElement("canvas").getContext("2d");

const short = (name) => (name.length > 34 ? `${name.slice(0, 33)}…` : name);

/** How wide words are, in pixels, at one pixel of font size. */
function breadth(words, weight) {
  pen.font = `${weight} 100px system-ui, sans-serif`;
  return pen.measureText(words).width / 100;
}

function towns() {
  const from = document.getElementById("towns");
  if (!from) return [];
  return [...from.content.children].map((one) => {
    const [x, y] = one.value.split(" ").map(Number);
    return { x, y, name: one.textContent, broad: breadth(one.textContent, 400) };
  });
}

/** A pin: a dot with a ring round it; of the same size at every zoom. */
export function pin(x, y, name, strong = true) {
  const at = `M${x.toFixed(3)} ${y.toFixed(3)}h.01`;
  const more = strong ? " strong" : "";
  const title = svg("title", {}, name);
  return svg("g", {}, title, svg("path", { class: `ring${more}`, d: at }), svg("path", { class: `dot${more}`, d: at }));
}

/**
 * Make a frame of the map zoom; returns what a page does with it.
 * `pick(lat, lon)` is called where somebody clicks on the map, `zoomed(unit)` when a pixel is
 * `unit` units from now on; `closest` is the width of the closest view, `kept()` returns boxes
 * (left, top, right, end) where no town may be named.
 */
export function liven(frame, { pick = null, zoomed = () => {}, closest = CLOSEST, kept = () => [] } = {}) {
  const drawing = frame.querySelector("svg");
  const buttons = Object.fromEntries([...frame.querySelectorAll("[data-zoom]")].map((one) => [one.dataset.zoom, one]));
  const [, , worldWidth, worldHeight] = frame.dataset.world.split(" ").map(Number);
  const known = towns();
  let [x, y, width, height] = drawing.getAttribute("viewBox").split(" ").map(Number);
  let centre = [x + width / 2, y + height / 2];
  let pinned = null, told = 0; // what `zoomed` was told last

  // what is really seen: the frame may be of another shape than its first view
  const shape = () => (drawing.clientWidth || 340) / (drawing.clientHeight || 200);
  const widest = () => Math.max(worldWidth, worldHeight * shape());
  const perPixel = () => width / (drawing.clientWidth || 340);

  function draw() {
    width = Math.min(Math.max(width, closest), widest());
    height = width / shape();
    const within = (at, seen, all) => (seen >= all ? all / 2 : Math.min(Math.max(at, seen / 2), all - seen / 2));
    centre = [within(centre[0], width, worldWidth), within(centre[1], height, worldHeight)];
    [x, y] = [centre[0] - width / 2, centre[1] - height / 2];
    drawing.setAttribute("viewBox", [x, y, width, height].map((n) => n.toFixed(3)).join(" "));
    buttons.in.disabled = width <= closest * 1.01;
    buttons.out.disabled = buttons.world.disabled = width >= widest() * 0.99;
    if (told !== perPixel()) zoomed((told = perPixel()));
    write();
  }

  // names of towns where there is room for them, and that of the pinned place
  function write() {
    const unit = perPixel();
    const taken = [];
    const free = (left, top, across, size) => {
      const box = [left, top - size, left + across, top + size * 0.3];
      const clash = taken.some((o) => box[0] < o[2] && box[2] > o[0] && box[1] < o[3] && box[3] > o[1]);
      if (clash || box[0] < x || box[2] > x + width) return false;
      taken.push(box);
      return true;
    };
    const labels = [], marks = [];
    taken.push([x + width - 62 * unit, y, x + width, y + 156 * unit], ...kept()); // the first is the buttons
    if (pinned) {
      const { x: px, y: py } = pinned, name = short(pinned.name), size = LABEL * 1.1 * unit;
      const across = breadth(name, 600) * size, gap = 14 * unit, edge = 6 * unit;
      const limit = (at) => x + width - (at < y + 160 * unit ? 62 * unit : edge); // left of the buttons
      let [left, top] = [px + gap, py + size * 0.35];
      if (left + across > limit(top)) left = px - gap - across;
      if (left < x + edge) {
        top = py + gap + size;
        left = Math.max(x + edge, Math.min(px - across / 2, limit(top) - across));
      }
      taken.push([px - 12 * unit, py - 12 * unit, px + 12 * unit, py + 12 * unit]);
      taken.push([left, top - size, left + across, top + size * 0.4]);
      labels.push(text(left, top, name, size, unit * 4));
    }
    if (width < worldWidth * 0.3) {
      const size = LABEL * 0.9 * unit;
      for (const town of known) {
        if (town.x < x || town.x > x + width || town.y < y || town.y > y + height) continue;
        if (marks.length >= 40) break;
        const top = town.y + size * 0.35, across = town.broad * size;
        const left = [town.x + 6 * unit, town.x - 6 * unit - across].find((one) => free(one, top, across, size));
        if (left === undefined) continue;
        const dot = svg("path", { d: `M${town.x} ${town.y}h.01` });
        marks.push(svg("g", {}, dot, text(left, top, town.name, size, unit * 3)));
      }
    }
    drawing.querySelector(".towns").replaceChildren(...marks);
    drawing.querySelector(".labels").replaceChildren(...labels);
  }

  function text(left, top, words, size, halo) {
    const [x, y, high, broad] = [left, top, size, halo].map((one) => one.toFixed(2));
    return svg("text", { x, y, "font-size": high, "stroke-width": broad }, words);
  }

  function zoom(factor, at = centre) {
    const before = width;
    width = Math.min(Math.max(width * factor, closest), widest());
    const share = width / before;
    centre = [at[0] + (centre[0] - at[0]) * share, at[1] + (centre[1] - at[1]) * share];
    draw();
  }

  function point(event) {
    const box = drawing.getBoundingClientRect();
    const [across, down] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    return [x + across * width, y + down * height];
  }

  buttons.in.addEventListener("click", () => zoom(0.5, pinned ? [pinned.x, pinned.y] : centre));
  buttons.out.addEventListener("click", () => zoom(2));
  buttons.world.addEventListener("click", () => { width = widest(); draw(); });

  // the page scrolls under a wheel, unless the map is in use
  frame.tabIndex = 0;
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", "Map: plus and minus zoom, arrow keys move");
  drawing.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !frame.contains(document.activeElement)) return;
    event.preventDefault();
    zoom(Math.exp(Math.min(Math.max(event.deltaY, -120), 120) / 300), point(event));
  }, { passive: false });
  frame.addEventListener("keydown", (event) => {
    const step = width / 6;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") zoom(0.5);
    else if (event.key === "-") zoom(2);
    else if (event.key === "0") buttons.world.click();
    else if (moves[event.key]) { centre = [centre[0] + moves[event.key][0], centre[1] + moves[event.key][1]]; draw(); }
    else return;
    event.preventDefault();
  });

  const held = new Map();
  let moved = 0;
  drawing.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    held.set(event.pointerId, [event.clientX, event.clientY]);
    moved = 0;
  });
  drawing.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    const others = [...held].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (moved < 4) return;
    drawing.classList.add("held");
    if (!drawing.hasPointerCapture(event.pointerId)) drawing.setPointerCapture(event.pointerId);
    held.set(event.pointerId, now);
    if (others.length) {
      const apart = (one) => Math.hypot(one[0] - others[0][0], one[1] - others[0][1]) || 1;
      const [clientX, clientY] = [0, 1].map((axis) => (now[axis] + others[0][axis]) / 2);
      zoom(apart(before) / apart(now), point({ clientX, clientY }));
    } else {
      centre = [centre[0] - (now[0] - before[0]) * perPixel(), centre[1] - (now[1] - before[1]) * perPixel()];
      draw();
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    drawing.addEventListener(end, (event) => { held.delete(event.pointerId); drawing.classList.remove("held"); });
  }
  drawing.addEventListener("dragstart", (event) => event.preventDefault());
  drawing.addEventListener("click", (event) => {
    if (moved >= 4) event.preventDefault();
    else if (pick) pick(...unproject(...point(event)));
    moved = 0;
  }, { capture: true });

  const map = {
    /** Put the one strong pin at a point of the map, with its name; or nowhere, without one. */
    pinAt(px, py, name) {
      [...drawing.querySelectorAll(".pins > .mine")].forEach((one) => one.remove());
      pinned = name ? { x: px, y: py, name } : null;
      if (name) {
        const mark = pin(px, py, name);
        mark.classList.add("mine");
        drawing.querySelector(".pins").append(mark);
      }
      write();
    },
    /** Put the one strong pin at a place. */
    pin(lat, lon, name) { this.pinAt(...project(lat, lon), name); },
    /** Look at a point of the map; `across` is how much is seen, in units. */
    lookAt(px, py, across = USUAL) { centre = [px, py]; width = across; draw(); },
    /** Look at a place. */
    look(lat, lon, across = USUAL) { this.lookAt(...project(lat, lon), across); },
    /** Look at all of some points of the map, with room around them; at the world, without any. */
    fit(points, least = USUAL) {
      if (!points.length) { width = widest(); draw(); return; }
      const [xs, ys] = [points.map((one) => one.x), points.map((one) => one.y)];
      const [left, right, top, end] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
      this.lookAt((left + right) / 2, (top + end) / 2, Math.max(1.3 * (right - left), 1.3 * (end - top) * shape(), least));
    },
  };
  new ResizeObserver(draw).observe(drawing);
  draw();
  return map;
}

/** Make a new frame, which the page has a template of. */
export function frame(label) {
  const made = document.getElementById("map-frame").content.firstElementChild.cloneNode(true);
  made.querySelector("svg").setAttribute("aria-label", label);
  return made;
}
