// The review: one photo after the other, by mouse or by key.

import { ask, get } from "./api.js";
import { el, say } from "./dom.js";
import { KEYS, SAID, correctionField, many, stand, takeBack, tell, trouble } from "./library_say.js";
import { liven } from "./map.js";

const AHEAD = 2; // photos that are fetched before they are shown
const FETCHED = 200; // numbers of the queue at once

const whole = document.getElementById("whole");
let card = document.getElementById("card");
const { query } = card.dataset; // the filter, if only its photos are reviewed
let queue = card.dataset.photo ? [card.dataset.photo] : [], at = 0, busy = false, meant = () => null;
const ready = new Map(); // number of a photo: its card, on its way
const answered = new Set(), skipped = new Set();

const filtered = (address) => (query ? `${address}&${query}` : address);

async function fetchCard(photo) {
  const answer = await get(filtered(`/library/review?part=card&photo=${photo}`));
  const made = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("card");
  const image = made.querySelector(".look img");
  if (image) new Image().src = image.getAttribute("src"); // the browser keeps it
  return made;
}

function fetched(photo) {
  if (!ready.has(photo)) ready.set(photo, fetchCard(photo).catch((error) => { ready.delete(photo); throw error; }));
  return ready.get(photo);
}

async function more() {
  const waits = queue.filter((one) => !answered.has(one)).length; // what was skipped comes again
  const said = await ask(filtered(`/api/v1/library/queue?limit=${waits + FETCHED}`));
  stand(said.standing);
  const known = new Set(queue);
  queue.push(...said.photos.map(String).filter((one) => !known.has(one)));
}

const fetchAhead = () => { for (const soon of queue.slice(at + 1, at + 1 + AHEAD)) fetched(soon).catch(() => {}); };

function enliven() {
  const frame = card.querySelector("[data-map]");
  if (frame) liven(frame).pinAt(...frame.querySelector(".pins path").getAttribute("d").match(/[\d.]+/g).slice(0, 2).map(Number), document.getElementById("what").textContent.trim());
  const input = card.querySelector("#correct");
  if (input) meant = correctionField(input, () => correct());
  const image = card.querySelector(".look img");
  image?.addEventListener("error", () => image.parentElement.replaceWith(el("p", { class: "lost" }, "The photo can't be shown")));
  document.getElementById("before").disabled = at === 0;
  document.getElementById("next").disabled = at >= queue.length;
}

async function show(index, { fresh = false } = {}) {
  if (index >= queue.length - 1) {
    await more().catch((error) => { if (index >= queue.length) throw error; });
  }
  const next = Math.min(Math.max(index, 0), queue.length), photo = queue[next];
  if (fresh && photo) ready.delete(photo);
  const made = photo ? (await fetched(photo)).cloneNode(true) : done();
  at = next;
  say("");
  card.replaceWith(document.adoptNode(made));
  card = made;
  enliven();
  document.getElementById("what").focus({ preventScroll: true });
  fetchAhead();
}

function done() {
  const again = el("button", { type: "button", class: "button main", onclick: () => once(lookAgain) }, "Look at them again");
  const parts = skipped.size
    ? [el("h2", { id: "what", tabindex: "-1" }, `You skipped ${skipped.size.toLocaleString("en")}`), el("p", {}, again)]
    : [el("h2", { id: "what", tabindex: "-1" }, query ? "Nothing of these waits" : "Nothing waits"),
      el("p", {}, "That was all there is to look at. ", el("code", {}, "waymark write --approved"), " shows what would be written into sidecars. ", query && [el("a", { href: "/library/review" }, "Review everything"), ", go "],
        el("a", { href: query ? `/library?${query}` : "/library" }, query ? "back to these photos" : "Back to the library"), ", or ", el("a", { href: "/library/teach" }, "teach with it"), ".")];
  return el("article", { id: "card", class: "review-card", "aria-labelledby": "what" }, el("div", { class: "all-done" }, parts));
}

function lookAgain() {
  queue = [...skipped];
  skipped.clear();
  return show(0);
}

/** Do one thing at a time; what is pressed meanwhile counts for nothing. */
async function once(act, again = null) {
  if (busy) return;
  busy = true;
  card.classList.add("sending");
  try {
    await act();
    trouble(null);
  } catch (error) {
    trouble(error, { again });
  } finally {
    busy = false;
    card.classList.remove("sending");
  }
}

function answer(what, options = {}) {
  const makeNew = () => answer(what, { ...options, isNew: true });
  return once(async () => {
    const { photo, content } = card.dataset;
    if (!photo) return;
    const { photos } = await tell(what, [{ id: photo, content }], { ...options, query });
    for (const one of [photo, ...photos.map(String)]) { // copies have the same answer
      answered.add(one);
      skipped.delete(one);
      ready.delete(one);
    }
    let next = at + 1;
    while (answered.has(queue[next])) next += 1;
    await show(next);
    const copies = photos.length > 1 ? ` ${many(photos.length)}, with copies.` : "";
    say(photos.length ? `${SAID[what]}${what === "corrected" ? `: ${options.name}` : ""}.${copies}` : "Nothing changed.");
  }, { name: options.name, act: makeNew });
}

function undo() {
  return once(async () => {
    const said = await takeBack(query);
    if (!said.undone) { say("There is nothing to take back."); return; }
    ready.clear(); // all of them may be another now
    for (const one of said.photos) answered.delete(String(one));
    const photo = String(said.photo);
    let index = queue.indexOf(photo);
    if (index < 0) queue.splice((index = at), 0, photo);
    await show(index, { fresh: true });
    say(`Taken back: ${many(said.undone)}.`);
  });
}

function step(by) {
  return once(async () => {
    const { photo, state } = card.dataset;
    if (by > 0 && photo && state === "new" && !answered.has(photo)) skipped.add(photo);
    await show(at + by);
  });
}

/** Look at a photo now; Back leads to the one before. */
function open(photo) {
  return once(() => {
    const there = queue.indexOf(photo);
    if (there >= 0) queue.splice(there, 1);
    if (there >= 0 && there < at) at -= 1;
    queue.splice(at + 1, 0, photo);
    return show(at + 1);
  });
}

function enlarge(address) {
  whole.querySelector("img")?.remove();
  whole.append(el("img", { src: address, alt: "The photo" }));
  whole.showModal();
}

function correct() {
  const what = meant();
  if (what) answer("corrected", what);
  else card.querySelector("#correct").focus();
}

const guess = (button) => answer("corrected", { landmark: button.value, name: button.querySelector("bdi").textContent });

document.addEventListener("submit", (event) => {
  const { submitter } = event;
  if (event.target.id === "undo") undo();
  else if (!card.contains(event.target)) return;
  else if (event.target.matches(".others")) guess(submitter);
  else if (event.target.matches(".really")) correct();
  else answer(submitter.value);
  event.preventDefault();
});
document.addEventListener("click", (event) => {
  // the second of two quick clicks would be about the next photo
  if (event.detail > 1 && event.target.closest("#card form button")) event.preventDefault();
  const link = event.target.closest("#card a");
  if (!link?.matches(".whole, [data-photo]") || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (link.matches(".whole")) enlarge(link.href);
  else open(link.dataset.photo);
});
whole.addEventListener("click", () => whole.close());
document.getElementById("before").addEventListener("click", () => step(-1));
document.getElementById("next").addEventListener("click", () => step(1));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.isComposing || whole.open) return;
  if (event.target.matches("input, select, textarea")) {
    if (event.target.id !== "correct") return;
    if (event.key === "Enter") correct();
    else if (event.key === "Escape") document.getElementById("what").focus();
    else return;
    event.preventDefault();
    return;
  }
  if (event.repeat && !event.key.startsWith("Arrow")) return; // a key that is held says one thing
  const key = event.key.toLowerCase();
  const others = card.querySelectorAll(".guess");
  const button = card.querySelector(`.answers-to [value="${KEYS[key]}"]`);
  if (event.target.closest("[data-map]") && key.startsWith("arrow")) return;
  if (key in KEYS && card.dataset.photo) {
    if (button && !button.disabled) answer(KEYS[key]);
    else say(`There is no tag to ${key === "a" ? "approve" : "reject"}.`);
  } else if (key === "c") card.querySelector("#correct")?.focus();
  else if (key === "u") undo();
  else if (key === "arrowright") step(1);
  else if (key === "arrowleft") step(-1);
  else if (/^[1-4]$/.test(key) && others[key - 1]) guess(others[key - 1]);
  else return;
  event.preventDefault();
});

enliven();
more().then(fetchAhead).catch(trouble);
