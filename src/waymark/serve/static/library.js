// The library page: filters act at once, the grid shows any number of photos, keys review them.

import { complete } from "./correct.js";
import { post, Refused } from "./api.js";
import { el, say } from "./dom.js";
import { makeGrid, called } from "./library_grid.js";
import { liven, pin, project } from "./map.js";

const WAIT = 250; // ms after the last letter
const SAYS = { a: "approved", r: "rejected", n: "not-a-landmark" };
const SAID = { approved: "approved", rejected: "rejected", "not-a-landmark": "said to be no landmark", corrected: "corrected" };
const MOST_PINS = 3000;

const form = document.getElementById("filter");
const problem = document.getElementById("problem");
const box = document.getElementById("grid");
const bulk = document.getElementById("bulk");
let keys = [null], query = "", asked = 0, timer = 0;

async function ask(address) {
  const answer = await fetch(address, { headers: { Accept: "application/json" } });
  if (answer.status === 401) location.assign("/login");
  const said = await answer.json().catch(() => null);
  if (!answer.ok || !said) throw new Refused(said?.error ?? { code: "http", message: "The server does not answer.", hint: "Try again." });
  return said;
}

function trouble(error) {
  const lines = error ? [error.message, error.hint].filter(Boolean) : [];
  problem.replaceChildren(...(lines.length ? [el("div", { class: "problem", role: "alert" }, lines.map((line) => el("p", {}, line)))] : []));
}

const grid = makeGrid(box, {
  size: 100,
  async fetchPage(page) {
    const after = keys[page];
    const said = await ask(`/api/v1/library?${query}${after ? `&after=${encodeURIComponent(after)}` : ""}&limit=100`);
    return said.photos;
  },
});

const fold = document.querySelector(".map-fold");
const frame = fold.querySelector("[data-map]");
let map = null, places = [];
fold.hidden = false;
document.getElementById("map-details").addEventListener("toggle", (event) => {
  if (!event.currentTarget.open) return;
  map ??= liven(frame);
  draw();
});

function draw() {
  if (!map) return;
  frame.querySelector(".pins").replaceChildren(...places.slice(0, MOST_PINS).reverse().map((one) => {
    const mark = pin(...project(one.lat, one.lon), `${one.name}: ${one.photos.toLocaleString("en")}`, one.photos > 100);
    const link = document.createElementNS("http://www.w3.org/2000/svg", "a");
    link.setAttribute("href", `/library?landmark=${encodeURIComponent(one.id)}`);
    link.setAttribute("tabindex", "-1"); // the filter has them all, by name
    link.append(...mark.childNodes);
    link.addEventListener("click", (event) => {
      event.preventDefault();
      form.elements.landmark.value = one.name;
      look();
    });
    return link;
  }));
}

/** Show what the filter holds. */
async function look({ note = true } = {}) {
  const mine = (asked += 1);
  const values = [...new FormData(form)].filter(([, value]) => value.trim());
  query = new URLSearchParams(values).toString();
  if (note) history.replaceState(null, "", query ? `/library?${query}` : "/library");
  bulk.querySelectorAll("input[type=hidden]").forEach((one) => one.remove());
  bulk.prepend(...values.map(([name, value]) => el("input", { type: "hidden", name, value })));
  try {
    const said = await ask(`/api/v1/library/overview?${query}`);
    if (mine !== asked) return;
    trouble(null);
    keys = said.after;
    places = said.places;
    grid.show(said.photos);
    const cut = grid.shown < said.photos ? ` The first ${grid.shown.toLocaleString("en")} are shown; narrow the filter for the others.` : "";
    say(said.photos ? `${said.photos.toLocaleString("en")} photo${said.photos === 1 ? "" : "s"}.${cut}` : "No photo fits.");
  } catch (error) {
    if (mine !== asked) return;
    keys = [null];
    places = [];
    grid.show(0);
    trouble(error);
  }
  draw();
}

function stand(standing) {
  document.getElementById("left").textContent = standing.left.toLocaleString("en");
  document.getElementById("done").textContent = standing.done.toLocaleString("en");
  const { last } = standing;
  document.querySelector("#undo button").disabled = !last;
  document.getElementById("last").textContent = last ? `: ${SAID[last.state]}${last.photos > 1 ? `, ${last.photos.toLocaleString("en")} photos` : ""}` : "";
}

async function tell(address, values) {
  const sent = new FormData();
  for (const [name, value] of Object.entries(values)) sent.append(name, value);
  try {
    const said = await post(address, sent, { onWait: () => say("The library is busy; waiting…") });
    trouble(null);
    stand(said.standing);
    return said;
  } catch (error) {
    trouble(error);
    return null;
  }
}

async function judge(index, what) {
  const photo = grid.at(index);
  if (!photo || !(await tell("/api/v1/library/reviews", { say: what, photo: photo.id }))) return;
  Object.assign(photo, await ask(`/api/v1/library/photos/${photo.id}`));
  grid.redraw(index);
  say(`${called(photo)}: ${SAID[photo.state] ?? "as it was"}.`);
}

async function undo() {
  const said = await tell("/api/v1/library/undo", {});
  if (!said) return;
  const index = Number(document.activeElement?.closest?.("[data-index]")?.dataset.index ?? -1);
  const photo = index >= 0 ? grid.at(index) : null;
  if (photo && said.undone === 1 && photo.id === said.photo) {
    Object.assign(photo, await ask(`/api/v1/library/photos/${photo.id}`));
    grid.redraw(index);
  } else {
    await look({ note: false });
    if (index >= 0 && index < grid.count) grid.focus(index);
  }
  say(said.undone ? `Taken back: ${said.undone.toLocaleString("en")} photo${said.undone === 1 ? "" : "s"}.` : "There is nothing to take back.");
}

box.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const held = event.target.closest("[data-index]");
  if (!held || (event.repeat && !event.key.startsWith("Arrow"))) return;
  const index = Number(held.dataset.index), end = grid.count - 1;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -grid.across, ArrowDown: grid.across };
  if (event.key in steps) grid.focus(Math.min(Math.max(index + steps[event.key], 0), end));
  else if (event.key.toLowerCase() in SAYS) judge(index, SAYS[event.key.toLowerCase()]);
  else if (event.key.toLowerCase() === "u") undo();
  else return;
  event.preventDefault();
});
document.getElementById("undo").addEventListener("submit", (event) => { event.preventDefault(); undo(); });
form.addEventListener("submit", (event) => { event.preventDefault(); look(); });
form.addEventListener("change", () => look());
form.addEventListener("input", (event) => {
  if (!event.target.matches("[type=search], [type=text]")) return;
  clearTimeout(timer);
  timer = setTimeout(look, WAIT);
});
document.getElementById("clear").addEventListener("click", (event) => {
  event.preventDefault();
  for (const one of form.elements) if (one.name) one.value = "";
  look();
});
complete(form.elements.landmark, () => look(), { from: "/api/v1/library/names" });
document.getElementById("plain").remove();
document.getElementById("none")?.remove();
box.addEventListener("click", (event) => {
  const held = event.target.closest("[data-index]");
  if (held) history.replaceState({ at: Number(held.dataset.index) }, "");
});
look({ note: false }).then(() => {
  const index = history.state?.at; // back from the review
  if (index < grid.count) grid.focus(index);
});
