// A grid of any number of photos: only the lines near the window are in the page.

import { el, percent } from "./dom.js";
import { Refused } from "./api.js";
import { SAID } from "./library_say.js";

const MORE = 2; // lines kept beyond each edge of the window
const CAPTION = 54; // px under a picture: as in library.css
const TALLEST = 12_000_000; // px; browsers cut what is taller
const HURRY = 2.5; // px a ms, from which on pictures are not asked for while they fly past
const AT_REST = 90; // ms

/** What a photo is called. */
export function called(photo) {
  if (photo.state === "not-a-landmark") return "No landmark";
  return photo.landmark ? photo.landmark.name : photo.error ? "Unreadable" : "Unknown";
}

function told(photo) {
  const sure = SAID[photo.state] ?? (photo.landmark && photo.confidence !== null ? percent(photo.confidence) : "");
  return photo.evidence === "context" ? [sure, "by its neighbours"].filter(Boolean).join(" · ") : sure;
}

/**
 * Make `box` a grid. `fetchPage(n)` returns the photos of page `n`, each of `size` photos; `link`
 * where a photo leads, `isChosen(index)` whether it is selected, `covered()` how many pixels at
 * the top of the window something lies over the grid.
 */
export function makeGrid(box, { size, fetchPage, link, isChosen, covered }) {
  let count = 0, across = 1, high = 200, era = 0, last = [0, 0], resting = 0, asleep = false, hurried = false, gap = 14;
  const pages = new Map(); // number of a page: its photos, or a promise while they are on their way
  const lines = new Map(); // number of a line: its element
  box.classList.add("live");
  box.setAttribute("role", "list");

  function measure() {
    const narrow = matchMedia("(max-width: 760px)").matches;
    gap = narrow ? 10 : 14;
    const wide = box.clientWidth || 320, least = narrow ? 108 : 158;
    across = Math.max(2, Math.floor((wide + gap) / (least + gap)));
    high = Math.round(((wide - gap * (across - 1)) / across) * 0.75) + CAPTION + gap;
    const rows = Math.ceil(count / across);
    box.style.height = `${Math.min(rows * high, TALLEST)}px`;
  }

  const at = (index) => { const page = pages.get(Math.floor(index / size)); return Array.isArray(page) ? page[index % size] : undefined; };

  function picture(photo) {
    const lost = (words) => el("span", { class: "lost" }, el("span", {}, `${words} `, el("small", {}, el("bdi", {}, photo.file))));
    if (photo.gone || photo.error) return lost(photo.gone ? "The file is gone" : "Can't be read");
    const image = el("img", { alt: "", decoding: "async", "data-src": photo.src, draggable: "false" });
    image.addEventListener("error", () => image.replaceWith(lost("Can't be shown")));
    return image;
  }

  function cell(index) {
    const photo = at(index);
    const place = { role: "listitem", "aria-setsize": count, "aria-posinset": index + 1, "data-index": index };
    if (!photo) return el("div", { class: "cell", ...place }, el("a", { tabindex: "-1" }, el("span", { class: "blank" })));
    const chosen = isChosen(index), name = called(photo);
    return el("div", { class: `cell is-${photo.state}${chosen ? " is-chosen" : ""}`, "data-photo": photo.id, ...place },
      el("a", { href: link(photo), title: [photo.file, photo.taken].filter(Boolean).join(", ") }, picture(photo),
        el("span", { class: "named" }, el("bdi", {}, name)), el("span", { class: "of-it" }, told(photo))),
      el("button", { type: "button", class: "tick", tabindex: "-1", "aria-label": `Select ${name}`, "aria-pressed": String(chosen) }));
  }

  function fill(line, number) {
    const from = number * across;
    const held = line.contains(document.activeElement) && document.activeElement.closest("[data-index]").dataset.index;
    line.replaceChildren(...Array.from({ length: Math.min(across, count - from) }, (_, i) => cell(from + i)));
    line.dataset.whole = String(line.childElementCount === line.querySelectorAll("[data-photo]").length);
    if (held) line.querySelector(`[data-index="${held}"] a`)?.focus({ preventScroll: true });
  }

  function need(page) {
    if (!pages.has(page)) pages.set(page, load(page));
    return pages.get(page);
  }

  async function load(page) {
    const mine = era;
    try {
      const photos = await fetchPage(page);
      if (mine !== era) return;
      pages.set(page, photos);
    } catch {
      if (mine === era) pages.delete(page); // asked again when it is next seen
      return;
    }
    while (pages.size > 40) { // far pages are forgotten
      const far = [...pages.keys()].reduce((a, b) => (Math.abs(b - page) > Math.abs(a - page) ? b : a));
      pages.delete(far);
    }
    const [first, end] = [Math.floor((page * size) / across), Math.floor(((page + 1) * size - 1) / across)];
    for (const [number, line] of lines) if (number >= first && number <= end && line.dataset.whole !== "true") fill(line, number);
    wake();
  }

  // pictures of lines that stay are asked for; of lines that fly past they are not
  function wake() {
    if (hurried) return;
    for (const image of box.querySelectorAll("img[data-src]")) {
      image.src = image.dataset.src;
      delete image.dataset.src;
    }
  }

  function draw() {
    asleep = false;
    const top = -box.getBoundingClientRect().top;
    const now = performance.now(), before = last[0], speed = Math.abs(top - last[0]) / Math.max(1, now - last[1]);
    last = [top, now];
    const most = Math.ceil(count / across) - 1;
    const first = Math.max(0, Math.floor(top / high) - MORE);
    const end = Math.min(most, Math.floor((top + innerHeight) / high) + MORE);
    const held = document.activeElement?.closest?.(".line");
    for (const [number, line] of lines) {
      if ((number < first || number > end) && line !== held) {
        for (const image of line.querySelectorAll("img")) if (!image.complete) image.removeAttribute("src");
        line.remove();
        lines.delete(number);
      }
    }
    for (let number = first; number <= end; number += 1) {
      if (lines.has(number)) continue;
      const line = el("div", { class: "line", role: "presentation" });
      line.style.transform = `translateY(${number * high}px)`;
      line.style.gridTemplateColumns = `repeat(${across}, minmax(0, 1fr))`;
      fill(line, number);
      const after = [...lines].filter(([other]) => other > number).sort((a, b) => a[0] - b[0])[0];
      if (after) after[1].before(line);
      else box.append(line);
      lines.set(number, line);
    }
    hurried = speed >= HURRY;
    const way = Math.sign(top - before) * across * MORE; // a little ahead of where one goes
    const [from, to] = [first * across + Math.min(way, 0), (end + 1) * across - 1 + Math.max(way, 0)];
    for (let page = Math.max(0, Math.floor(from / size)); page <= Math.floor(to / size) && page * size < count; page += 1) need(page);
    clearTimeout(resting);
    if (hurried) resting = setTimeout(() => { hurried = false; wake(); }, AT_REST);
    else wake();
  }

  function later() {
    if (asleep) return;
    asleep = true;
    requestAnimationFrame(draw);
  }

  function anew() {
    for (const line of lines.values()) line.remove();
    lines.clear();
    measure();
    draw();
  }

  addEventListener("scroll", later, { passive: true });
  let broad = box.clientWidth;
  new ResizeObserver(() => {
    if (box.clientWidth === broad) return;
    broad = box.clientWidth;
    anew();
  }).observe(box);

  function redraw(index) {
    const before = box.querySelector(`[data-index="${index}"]`);
    if (!before) return;
    const focused = before.contains(document.activeElement);
    const made = cell(index);
    before.replaceWith(made);
    wake();
    if (focused) made.querySelector("a").focus({ preventScroll: true });
  }

  return {
    at,
    show(total) {
      era += 1;
      pages.clear();
      count = total;
      anew();
    },
    get across() { return across; },
    get count() { return count; },
    get shown() { return Math.min(count, Math.floor(TALLEST / high) * across); },
    /** The first photo of which all is seen. */
    get first() { return Math.min(Math.max(Math.ceil((covered() - box.getBoundingClientRect().top) / high) * across, 0), count - 1); },
    /** Return photos, which may not have been fetched yet. */
    async photos(indexes) {
      const found = [];
      for (const index of indexes) {
        await need(Math.floor(index / size)); // one after the other, as far pages are forgotten
        if (at(index)) found.push(at(index));
      }
      if (found.length < indexes.length) throw new Refused({ code: "missing", message: "Some of the photos could not be fetched.", hint: "Try again." });
      return found;
    },
    /** Note what is new of photos, by their numbers, and draw those anew that are on the page. */
    change(numbers, values) {
      const changed = new Set(numbers);
      for (const [page, photos] of pages) {
        if (!Array.isArray(photos)) continue;
        photos.forEach((photo, i) => {
          if (!changed.has(photo.id)) return;
          Object.assign(photo, values);
          redraw(page * size + i);
        });
      }
    },
    /** Show anew which photos are selected. */
    paint() {
      for (const one of box.querySelectorAll(".cell[data-photo]")) {
        const chosen = isChosen(Number(one.dataset.index));
        one.classList.toggle("is-chosen", chosen);
        one.querySelector(".tick").setAttribute("aria-pressed", String(chosen));
      }
    },
    /** Move to a photo. */
    focus(index) {
      const number = Math.floor(index / across);
      const top = box.getBoundingClientRect().top + number * high;
      if (top < covered()) scrollBy({ top: top - covered() - 8, behavior: "instant" });
      else if (top + high > innerHeight) scrollBy({ top: top + high - innerHeight + 12, behavior: "instant" });
      draw();
      box.querySelector(`[data-index="${index}"] a`)?.focus({ preventScroll: true });
    },
  };
}
