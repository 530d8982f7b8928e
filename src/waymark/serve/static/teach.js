// The Teach page. What is shown of the draft is always the server's own HTML, put in place.

import { post } from "./api.js";
import { complete } from "./correct.js";
import { say } from "./dom.js";
import { watch } from "./drop.js";
import { liven } from "./map.js";
import { shrink } from "./shrink.js";

const AT_ONCE = 2; // photos on their way to the server
const POLL = 500; // ms
const FACTS = ["name", "place", "country", "category", "lat", "lon"];
const by = (id) => document.getElementById(id);
const form = by("add"), side = Number(document.body.dataset.shrink);
const waiting = []; // photos without a name

// Where it is.

const map = liven(by("pin-map").querySelector("[data-map]"), { pick: (lat, lon) => { put(lat, lon); point(); say("Pinned."); } });

function put(lat, lon) {
  by("lat").value = lat.toFixed(4);
  by("lon").value = lon.toFixed(4);
}

const degrees = (text) => (text.trim() === "" ? NaN : Number(text.trim().replace("−", "-").replace(",", ".")));

function point({ look = false } = {}) {
  const lat = degrees(by("lat").value), lon = degrees(by("lon").value);
  const good = Math.abs(lat) <= 90 && Math.abs(lon) <= 180;
  if (good && look) map.look(lat, lon);
  if (good) map.pin(lat, lon, by("name").value.trim() || "Here");
  else map.pinAt(0, 0, "");
}

for (const id of ["lat", "lon"]) by(id).addEventListener("change", () => point({ look: true }));
by("lat").addEventListener("input", () => {
  const both = /^\s*([-−]?\d+(?:\.\d+)?)°?\s*[,; ]\s*([-−]?\d+(?:\.\d+)?)°?\s*$/.exec(by("lat").value); // pasted together
  if (!both) return;
  [by("lat").value, by("lon").value] = [both[1], both[2]];
  point({ look: true });
});

// What it is.

complete(by("name"), (one) => {
  by("name-hint").textContent = one.known ? `I know ${one.name}: your photos become more examples.` : "I know where it is, and learn from your photos what it looks like.";
  for (const id of ["place", "country", "category"]) by(id).value = (one[id] ?? "").replaceAll("_", " ");
  if (one.lat !== null) { put(one.lat, one.lon); point({ look: true }); }
  flush();
});
by("name").addEventListener("change", () => { point(); flush(); });

// Photos.

const count = (n) => `${n} photo${n === 1 ? "" : "s"}`;

function take(files, others = 0) {
  waiting.push(...files);
  if (!files.length) { say("Those files are no photos. Drop a JPEG, PNG, WebP, HEIC or the like."); return; }
  if (others) say(`${others} of the files are no photos and were left out.`);
  flush();
}

function flush() {
  if (!waiting.length) return;
  if (!by("name").value.trim()) {
    say(`${count(waiting.length)} wait for a name: what do they show?`);
    by("name").focus();
    return;
  }
  send(waiting.splice(0));
}

let sending = 0, sent = 0;

async function send(files) {
  const said = new FormData(form);
  const fields = Object.fromEntries(FACTS.map((name) => [name, said.get(name) ?? ""]));
  const rest = [...files], problems = [];
  sending += files.length;
  const one = async () => {
    for (let file = rest.shift(); file; file = rest.shift()) {
      const body = new FormData();
      Object.entries(fields).forEach(([name, value]) => body.append(name, value));
      try {
        const small = await shrink(file, side);
        body.append("photos", small, file.name || "photo");
        await post("/api/v1/teach/photos", body);
      } catch (error) {
        problems.push(error);
        if (error.code === "invalid" || error.code === "not-now") rest.length = 0; // the others would fail alike
      }
      sent += 1;
      say(`Sent ${sent} of ${count(sending)}.`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  sending = sent = 0;
  await refresh();
  if (problems.length) say([problems[0].message, problems[0].hint].filter(Boolean).join(" "));
  else say(`${count(files.length)} of ${fields.name} came.`);
}

watch(form.querySelector("[data-drop]"), [by("photos"), by("take")], take);
form.addEventListener("submit", (event) => { event.preventDefault(); flush(); });
form.addEventListener("reset", () => {
  waiting.length = 0;
  setTimeout(() => { point(); by("name").focus(); }); // once the fields are empty
});

// The draft.

let polling = 0;

function place(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const fresh = page.getElementById("draft");
  if (!fresh) throw new Error("The server did not answer with this page.");
  const focus = document.activeElement, value = focus?.getAttribute("value"), within = by("draft").contains(focus);
  const before = by("draft"), was = before.dataset.busy;
  for (const image of fresh.querySelectorAll("img")) { // what is loaded already stays
    const old = before.querySelector(`img[src="${image.getAttribute("src")}"]`);
    if (old) image.replaceWith(old);
  }
  before.replaceWith(document.adoptNode(fresh));
  document.querySelector(".foot").replaceChildren(...page.querySelector(".foot").childNodes);
  by("problem").replaceChildren(...page.getElementById("problem").childNodes);
  if (within && value) {
    const [what, on] = value.split(":");
    const other = { drop: `keep:${on}`, keep: `drop:${on}` }[what] ?? value;
    const next = [`[value="${CSS.escape(other)}"]:not(:disabled)`, ".progress", "#learnt", "#waiting"].map((one) => fresh.querySelector(one));
    (next.find(Boolean) ?? by("name")).focus({ preventScroll: next.some(Boolean) });
  }
  if (was === "teaching" && fresh.dataset.busy !== "teaching") {
    const learnt = fresh.querySelector("#learnt");
    say(fresh.querySelector(".problem")?.textContent.trim() ?? "");
    learnt?.focus();
  }
  follow();
}

async function refresh() {
  try {
    const answer = await fetch("/teach", { headers: { Accept: "text/html" } });
    place(await answer.text());
  } catch {
    say("The server does not answer. Is waymark serve still running?");
  }
}

// While something is under way, ask how it goes.
function follow() {
  clearTimeout(polling);
  const draft = by("draft");
  if (!draft.dataset.busy) return;
  polling = setTimeout(async () => {
    try {
      const state = await (await fetch("/api/v1/teach", { headers: { Accept: "application/json" } })).json();
      if (String(state.revision) !== draft.dataset.revision) { await refresh(); return; }
      const bar = draft.querySelector("progress");
      if (bar && state.progress) {
        by("stage").textContent = `${state.progress.stage.slice(0, 1).toUpperCase()}${state.progress.stage.slice(1)}…`;
        if (state.progress.total) { bar.max = state.progress.total; bar.value = state.progress.done; } else bar.removeAttribute("value");
      }
    } catch { /* asked again */ }
    follow();
  }, POLL);
}

document.addEventListener("submit", async (event) => {
  if (!event.target.closest("#draft")) return;
  event.preventDefault();
  const body = new FormData(event.target, event.submitter);
  try {
    const answer = await fetch("/teach", { method: "POST", body, headers: { Accept: "text/html" } });
    place(await answer.text());
  } catch {
    say("That did not work. Load the page again.");
  }
});

if (by("lat").value) point({ look: true });
follow();
