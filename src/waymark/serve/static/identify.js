// The Identify page: photos come in, cards with answers come out.

import { card, spoken } from "./answer.js";
import { post, predict } from "./api.js";
import { copy, say } from "./dom.js";
import { watch } from "./drop.js";
import { liven } from "./map.js";
import { shrink } from "./shrink.js";

const AT_ONCE = 2; // photos on their way to the server
const by = (id) => document.getElementById(id);
const form = by("ask"), answers = by("answers"), tools = by("tools"), slider = by("k");
const settings = document.body.dataset;
const entries = [];
const waiting = [];
let running = 0;

const k = () => Number(slider.value);

function arrange() {
  answers.classList.toggle("many", entries.length > 1);
  document.body.classList.toggle("asked", entries.length > 0);
  tools.hidden = entries.length === 0;
  by("copy-all").hidden = entries.length < 2;
}

function report(one) {
  const done = entries.filter((entry) => entry.done);
  if (entries.length === 1) say(one.words);
  else if (done.length < entries.length) say(`${done.length} of ${entries.length} photos.`);
  else say(`${entries.length} photos, ${entries.filter((entry) => entry.known).length} recognised.`);
}

async function look(entry) {
  const asked = { useGps: by("use_gps").checked, explain: by("explain").checked };
  entry.done = false;
  try {
    // a photo that was drawn anew has lost its GPS
    entry.sent ??= asked.useGps ? entry.file : await shrink(entry.file, Number(settings.shrink));
    const sent = asked.useGps ? entry.file : entry.sent;
    const said = await predict(sent, { ...asked, onWait: () => entry.card.wait("Waiting my turn…") });
    if (!entries.includes(entry)) return;
    entry.card.show({ ...said, photo: entry.file.name }, k(), asked.useGps);
    Object.assign(entry, { known: said.known, words: spoken(said) });
  } catch (error) {
    entry.card.refuse(error);
    Object.assign(entry, { known: false, words: `${error.message} ${error.hint ?? ""}`.trim() });
  }
  entry.done = true;
  report(entry);
}

async function work() {
  if (running >= AT_ONCE || !waiting.length) return;
  running += 1;
  const entry = waiting.shift();
  if (entries.includes(entry)) await look(entry);
  running -= 1;
  work();
}

function remove(entry) {
  const at = entries.indexOf(entry);
  if (at < 0) return;
  entries.splice(at, 1);
  entry.card.root.remove();
  URL.revokeObjectURL(entry.picture);
  arrange();
  say("Removed.");
  (entries[Math.min(at, entries.length - 1)]?.card.root ?? by("photos")).focus();
}

function add(file) {
  const entry = { file, picture: URL.createObjectURL(file), done: false };
  const again = () => { entry.card.wait(); waiting.push(entry); work(); };
  const heat = () => predict(entry.sent ?? entry.file, { k: 1, explain: true });
  const correct = "teach" in settings ? (name) => {
    const said = new FormData();
    said.append("photos", entry.sent ?? entry.file, entry.file.name || "photo");
    said.append(name === null ? "nothing" : "landmark", name ?? "1");
    return post("/api/v1/teach/corrections", said);
  } : null;
  entry.card = card(file.name || "Pasted photo", entry.picture, { again, heat, correct, remove: () => remove(entry) });
  entries.push(entry);
  waiting.push(entry);
  return entry;
}

function take(files, others = 0) {
  const made = files.map(add);
  // the newest photos come first, in the order they were given
  answers.prepend(...made.map((entry) => entry.card.root));
  arrange();
  if (!made.length) say("Those files are no photos. Drop a JPEG, PNG, WebP, HEIC or the like.");
  else say(made.length === 1 ? "Looking…" : `Looking at ${made.length} photos…`);
  if (others && made.length) say(`${others} of the files are no photos and were left out.`);
  if (made.length) {
    const narrow = matchMedia("(max-width: 760px)").matches;
    if (narrow) form.querySelector(".fold").open = false;
    made[0].card.root.scrollIntoView({ block: narrow ? "start" : "nearest" });
  }
  for (let i = 0; i < AT_ONCE; i += 1) work();
}

watch(form.querySelector("[data-drop]"), [by("photos"), by("take")], take);

form.addEventListener("submit", async (event) => {
  event.preventDefault(); // only the examples submit
  const number = event.submitter?.value;
  if (!number) return;
  try {
    const answer = await fetch(`/samples/${number}.jpg`);
    if (!answer.ok) throw new Error();
    take([new File([await answer.blob()], `example-${number}.jpg`, { type: "image/jpeg" })]);
  } catch {
    say("The example did not come. Is waymark serve still running?");
  }
});

slider.addEventListener("input", () => {
  form.querySelector("output").textContent = slider.value;
  entries.forEach((entry) => entry.card.limit(k()));
});
form.querySelector("output").textContent = slider.value; // a browser may restore the slider

by("clear").addEventListener("click", () => {
  entries.forEach((entry) => URL.revokeObjectURL(entry.picture));
  entries.length = waiting.length = 0;
  answers.replaceChildren();
  arrange();
  say("Cleared.");
  by("photos").focus();
});

by("copy-all").addEventListener("click", async (event) => {
  const all = entries.map((entry) => entry.card.plain(k())).filter(Boolean);
  const done = await copy(JSON.stringify(all, null, 2));
  const count = `${all.length} answer${all.length === 1 ? "" : "s"}`;
  say(done ? `Copied ${count}.` : "This browser does not let me copy; use Show JSON.");
  event.target.focus();
});

answers.querySelectorAll("[data-map]").forEach((one) => liven(one)); // answers of the form without JavaScript
