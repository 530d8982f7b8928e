// The review: one photo after the other, by mouse or by key.

import { complete } from "./correct.js";
import { post, Refused } from "./api.js";
import { el, say } from "./dom.js";
import { liven } from "./map.js";

const KEYS = { a: "approved", r: "rejected", n: "not-a-landmark" };
const SAID = { approved: "Approved", rejected: "Rejected", "not-a-landmark": "Not a landmark", corrected: "Corrected" };
const AHEAD = 2; // photos that are fetched before they are shown

const problem = document.getElementById("problem");
let card = document.getElementById("card");
let queue = card.dataset.photo ? [card.dataset.photo] : [], at = 0, busy = false;
const ready = new Map(); // number of a photo: its card, on its way
const answered = new Set();

function trouble(error) {
  const lines = error ? [error.message, error.hint].filter(Boolean) : [];
  problem.replaceChildren(...(lines.length ? [el("div", { class: "problem", role: "alert" }, lines.map((line) => el("p", {}, line)))] : []));
}

async function fetchCard(photo) {
  const answer = await fetch(`/library/review?part=card&photo=${photo}`, { headers: { Accept: "application/json" } });
  if (answer.status === 401) location.assign("/login");
  if (!answer.ok) throw new Refused((await answer.json().catch(() => null))?.error ?? { code: "http", message: "The server does not answer.", hint: "Try again." });
  const made = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("card");
  const image = made.querySelector(".look img");
  if (image) new Image().src = image.getAttribute("src"); // the browser keeps it
  return made;
}

function get(photo) {
  if (!ready.has(photo)) ready.set(photo, fetchCard(photo).catch((error) => { ready.delete(photo); throw error; }));
  return ready.get(photo);
}

async function more() {
  const answer = await fetch("/api/v1/library/queue", { headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  const said = await answer.json();
  stand(said.standing);
  const known = new Set(queue);
  queue.push(...said.photos.map(String).filter((one) => !known.has(one)));
}

function stand({ left, done, last }) {
  document.getElementById("left").textContent = left.toLocaleString("en");
  document.getElementById("done").textContent = done.toLocaleString("en");
  document.querySelector("#undo button").disabled = !last;
}

function enliven() {
  const frame = card.querySelector("[data-map]");
  if (frame) liven(frame).pinAt(...frame.querySelector(".pins path").getAttribute("d").match(/[\d.]+/g).slice(0, 2).map(Number), document.getElementById("what").textContent.trim());
  const input = card.querySelector("#correct");
  if (input) complete(input, () => {}, { from: "/api/v1/library/names" });
  card.querySelector(".look img")?.addEventListener("error", (event) => {
    event.target.replaceWith(el("p", { class: "lost" }, "The photo can't be shown"));
  });
  document.getElementById("before").disabled = at === 0;
}

async function show(index, { fresh = false } = {}) {
  if (index >= queue.length - 1) await more().catch(() => {});
  const next = Math.min(Math.max(index, 0), queue.length), photo = queue[next];
  if (fresh && photo) ready.delete(photo);
  const made = photo ? (await get(photo)).cloneNode(true) : done();
  at = next;
  say("");
  card.replaceWith(document.adoptNode(made));
  card = made;
  enliven();
  document.getElementById("what").focus({ preventScroll: true });
  for (const soon of queue.slice(at + 1, at + 1 + AHEAD)) get(soon).catch(() => {});
}

function done() {
  return el("article", { id: "card", class: "review-card", "aria-labelledby": "what" },
    el("div", { class: "all-done" }, el("h2", { id: "what", tabindex: "-1" }, "Nothing waits"),
      el("p", {}, "That was all there is to look at. ", el("a", { href: "/library" }, "Back to the library"), ", or ", el("a", { href: "/library/teach" }, "teach with it"), ".")));
}

/** Do one thing at a time; what is pressed meanwhile counts for nothing. */
async function once(act) {
  if (busy) return;
  busy = true;
  card.classList.add("sending");
  try {
    await act();
    trouble(null);
  } catch (error) {
    trouble(error);
  } finally {
    busy = false;
    card.classList.remove("sending");
  }
}

const waiting = { onWait: () => say("The library is busy; waiting…") };

function tell(what, landmark = "", name = landmark) {
  return once(async () => {
    const photo = card.dataset.photo;
    if (!photo) return;
    const form = new FormData();
    for (const [name, value] of Object.entries({ say: what, photo, landmark })) form.append(name, value);
    const said = await post("/api/v1/library/reviews", form, waiting);
    stand(said.standing);
    answered.add(photo);
    ready.delete(photo);
    let next = at + 1;
    while (answered.has(queue[next])) next += 1;
    await show(next);
    say(`${SAID[what]}${what === "corrected" ? `: ${name}` : ""}.`);
  });
}

function undo() {
  return once(async () => {
    const said = await post("/api/v1/library/undo", new FormData(), waiting);
    stand(said.standing);
    if (!said.undone) { say("There is nothing to take back."); return; }
    ready.clear(); // all of them may be another now
    const photo = String(said.photo);
    answered.delete(photo);
    let index = queue.indexOf(photo);
    if (index < 0) queue.splice((index = at), 0, photo);
    await show(index, { fresh: true });
    say(`Taken back: ${said.undone.toLocaleString("en")} photo${said.undone === 1 ? "" : "s"}.`);
  });
}

const step = (by) => once(() => show(at + by));

document.addEventListener("submit", (event) => {
  const { submitter } = event;
  if (event.target.id === "undo") undo();
  else if (card.contains(event.target)) {
    if (event.target.matches(".others")) tell("corrected", submitter.value, submitter.querySelector("bdi").textContent);
    else if (event.target.matches(".really")) correct();
    else tell(submitter.value);
  } else return;
  event.preventDefault();
});

function correct() {
  const name = card.querySelector("#correct").value.trim();
  if (name) tell("corrected", name);
  else card.querySelector("#correct").focus();
}

document.getElementById("before").addEventListener("click", () => step(-1));
document.getElementById("next").addEventListener("click", () => step(1));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.isComposing) return;
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
  if (event.target.closest("[data-map]") && key.startsWith("arrow")) return;
  if (key === "a" && !card.querySelector("[value=approved]")?.disabled) tell("approved");
  else if (key in KEYS && key !== "a") tell(KEYS[key]);
  else if (key === "c") card.querySelector("#correct")?.focus();
  else if (key === "u") undo();
  else if (key === "arrowright") step(1);
  else if (key === "arrowleft") step(-1);
  else if (/^[1-4]$/.test(key) && others[key - 1]) tell("corrected", others[key - 1].value, others[key - 1].querySelector("bdi").textContent);
  else return;
  event.preventDefault();
});

enliven();
more().then(() => { for (const next of queue.slice(1, 1 + AHEAD)) get(next).catch(() => {}); }).catch(() => {});
