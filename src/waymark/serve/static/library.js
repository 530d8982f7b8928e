// The library page: filters act at once, and the grid shows any number of photos.

import { complete } from "./correct.js";
import { ask } from "./api.js";
import { el, say } from "./dom.js";
import { makeGrid } from "./library_grid.js";
import { makeMap } from "./library_map.js";
import { many, takeBack, trouble } from "./library_say.js";
import { makeSelection, review } from "./library_select.js";

const WAIT = 250; // ms after the last letter
const SAY_THEMSELVES = ["q", "landmark", "place", "country", "category", "only"]; // as in library_filter.py

const form = document.getElementById("filter");
const box = document.getElementById("grid");
const bulk = document.getElementById("bulk");
const chips = document.getElementById("chips");
let keys = [null], query = "", asked = 0, timer = 0;

const selection = makeSelection(() => grid.paint());
const grid = makeGrid(box, {
  size: 100,
  covered: () => document.getElementById("bar").offsetHeight,
  isChosen: selection.has,
  link: (photo) => `/library/review?photo=${photo.id}${query && `&${query}`}`,
  async fetchPage(page) {
    const after = keys[page];
    return (await ask(`/api/v1/library?${query}${after ? `&after=${encodeURIComponent(after)}` : ""}&limit=100`)).photos;
  },
});

const fold = document.querySelector(".map-fold");
const map = makeMap(fold.querySelector("[data-map]"), (one) => {
  form.elements.landmark.value = one.name;
  look();
});
fold.hidden = false;
document.getElementById("map-details").addEventListener("toggle", (event) => { if (event.currentTarget.open) map.open(); });

const given = () => [...new FormData(form)].filter(([, value]) => value.trim());
const asks = () => new URLSearchParams(given()).toString();
const address = (page, text) => (text ? `${page}?${text}` : page);

// what the filter holds, in words; each goes by a click
function chip([name]) {
  const field = form.elements[name];
  const words = field.matches("select") ? field.selectedOptions[0].text : field.value.trim();
  const without = new URLSearchParams(query);
  without.delete(name);
  const leave = (event) => { event.preventDefault(); field.value = ""; look(); };
  return el("a", { class: "chip", href: address("/library", without.toString()), title: "Leave this filter out", onclick: leave },
    el("bdi", {}, SAY_THEMSELVES.includes(name) ? words : `${field.labels[0].textContent}: ${words}`), el("span", { class: "gone" }, ", leave it out"));
}

function offer(waiting) {
  const these = query && waiting;
  const link = document.getElementById("review");
  link.textContent = these ? `Review these ${waiting.toLocaleString("en")}` : "Review";
  link.href = address("/library/review", these ? query : "");
}

/** Show what the filter holds. */
async function look({ note = true } = {}) {
  const mine = (asked += 1);
  clearTimeout(timer);
  const values = given();
  query = asks();
  if (note) history.replaceState(null, "", address("/library", query));
  bulk.querySelectorAll("input[type=hidden]").forEach((one) => one.remove());
  bulk.prepend(...values.map(([name, value]) => el("input", { type: "hidden", name, value })));
  document.querySelector("#undo [name=back]").value = address("/library", query);
  document.getElementById("clear").hidden = !values.length;
  chips.replaceChildren(...values.map(chip));
  selection.clear();
  let found = { photos: 0, waiting: 0, after: [null], places: [] };
  try {
    found = await ask(`/api/v1/library/overview?${query}`);
    if (mine !== asked) return;
    trouble(null);
    say(found.photos ? many(found.photos) : "No photo fits.");
  } catch (error) {
    if (mine !== asked) return;
    say("");
    trouble(error);
  }
  keys = found.after;
  grid.show(found.photos);
  if (grid.shown < found.photos) say(`${many(found.photos)}. The first ${grid.shown.toLocaleString("en")} are shown; narrow the filter for the others.`);
  offer(found.waiting);
  map.show(found.places);
}

// after something was said, fewer of a filter wait
async function recount() {
  const mine = asked;
  if (!query) return;
  const { standing } = await ask(`/api/v1/library/queue?${query}&limit=1`);
  if (mine === asked) offer(standing.left);
}

async function undo() {
  try {
    const said = await takeBack();
    const index = Number(document.activeElement?.closest?.("[data-index]")?.dataset.index ?? -1);
    const photo = index >= 0 ? grid.at(index) : null;
    if (photo && said.undone === 1 && photo.id === said.photo) {
      grid.change([photo.id], await ask(`/api/v1/library/photos/${photo.id}`));
      recount().catch(() => {});
    } else {
      await look({ note: false });
      if (index >= 0 && index < grid.count) grid.focus(index);
    }
    say(said.undone ? `Taken back: ${many(said.undone)}.` : "There is nothing to take back.");
  } catch (error) {
    trouble(error);
  }
}

document.getElementById("undo").addEventListener("submit", (event) => { event.preventDefault(); undo(); });
form.addEventListener("submit", (event) => { event.preventDefault(); look(); });
form.addEventListener("change", () => { if (asks() !== query) look(); });
form.addEventListener("input", (event) => {
  if (!event.target.matches("[type=search]")) return; // names are looked for when they are whole
  clearTimeout(timer);
  timer = setTimeout(look, WAIT);
});
document.getElementById("clear").addEventListener("click", (event) => {
  event.preventDefault();
  for (const one of form.elements) if (one.name) one.value = "";
  look();
});
complete(form.elements.landmark, () => look(), { from: "/api/v1/library/names?shown=1" });
review(box, grid, selection, { undo, said: () => recount().catch(() => {}) });
document.getElementById("plain").remove();
document.getElementById("none")?.remove();
look({ note: false }).then(() => {
  const approved = /^#approved-(\d+)$/.exec(location.hash); // back from the bulk approval
  if (approved) {
    say(`Approved: ${many(Number(approved[1]))}.`);
    history.replaceState(history.state, "", location.pathname + location.search);
  }
  const index = history.state?.at; // back from the review
  if (index < grid.count) grid.focus(index);
});
