// What the library's pages have in common: what is said of photos, and what is told of it.

import { post } from "./api.js";
import { complete } from "./correct.js";
import { el, say } from "./dom.js";

export const KEYS = { a: "approved", r: "rejected", n: "not-a-landmark" };
export const SAID = { approved: "Approved", corrected: "Corrected", rejected: "Rejected", "not-a-landmark": "Not a landmark" };
const waiting = { onWait: () => say("The library is busy; waiting…") };
const by = (id) => document.getElementById(id);
const told = (number) => number.toLocaleString("en");

/** So many photos, in words. */
export const many = (count) => `${told(count)} photo${count === 1 ? "" : "s"}`;

/**
 * Tell an error, or that there is none. Where it is that nobody knows a name, a button makes it a
 * new landmark: `again` has the `name`, and what to do (`act`).
 */
export function trouble(error, { box = by("problem"), again = null } = {}) {
  const lines = error ? [error.message, error.hint].filter(Boolean).map((line) => el("p", {}, line)) : [];
  if (error?.code === "new-landmark" && again) {
    lines.push(el("p", {}, el("button", { type: "button", class: "button", onclick: again.act }, "New landmark: “", el("bdi", {}, again.name), "”")));
  }
  box.replaceChildren(...(lines.length ? [el("div", { class: "problem", role: "alert" }, lines)] : []));
}

/** Show how far the review is, and what Undo would take back; as library_parts.html. */
export function stand({ left, done, unknown, last }) {
  by("left").textContent = told(left);
  if (by("tags")) { // not where a filter says what is reviewed
    by("tags").textContent = left === 1 ? "tag" : "tags";
    by("done").textContent = told(done);
    by("unknown").hidden = !unknown;
    by("unknown").querySelector("b").textContent = told(unknown);
  }
  const button = document.querySelector("#undo button");
  button.disabled = !last;
  const name = last?.state === "corrected" && last.name ? ` to ${last.name}` : "";
  button.title = last ? `Takes back: ${SAID[last.state].toLowerCase()}${name}, ${many(last.photos)}` : "";
  by("last").textContent = last?.photos > 1 ? `\u00a0(${told(last.photos)})` : "";
}

async function send(address, values, query) {
  const form = new FormData();
  for (const [name, value] of Object.entries(values)) form.append(name, value);
  const said = await post(`/api/v1/library/${address}${query && `?${query}`}`, form, waiting);
  stand(said.standing);
  return said;
}

/** Say something of photos: of each its number (`id`), and what was seen (`content`); `query` is the filter whose rest is counted. */
export function tell(what, photos, { landmark = "", isNew = false, query = "" } = {}) {
  return send("reviews", { say: what, photo: photos.map((one) => one.id).join(","), content: photos.map((one) => one.content).join(","), landmark, new: isNew ? "1" : "" }, query);
}

/** Take back what was said last. */
export const takeBack = (query = "") => send("undo", {}, query);

/**
 * Make a field one for the name that photos are corrected to; `send` is called where a new one is
 * chosen. Returns a function that tells what is meant: name, landmark and whether it is new; null
 * where nothing is typed.
 */
export function correctionField(input, send) {
  let picked = null;
  complete(input, (one) => { picked = one; if (one.isNew) send(); }, { from: "/api/v1/library/names", careful: true });
  return () => {
    const name = input.value.trim();
    const one = picked?.name === name ? picked : null; // unless something else was typed since
    return name ? { name, landmark: one?.landmark ?? name, isNew: Boolean(one?.isNew) } : null;
  };
}
