// Names that are found as one types, and the form that corrects an answer.

import { el } from "./dom.js";

const PAUSE = 120; // ms after the last letter
let made = 0;

async function search(text, from) {
  const answer = await fetch(`${from}${from.includes("?") ? "&" : "?"}q=${encodeURIComponent(text)}`, { headers: { Accept: "application/json" } });
  return answer.ok ? (await answer.json()).names : [];
}

const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** Whether every word that was typed is in what is known of a landmark. */
const fits = (one, text) => {
  const known = plain([one.name, one.local_name, one.place].filter(Boolean).join(" "));
  return plain(text).split(/\s+/).every((word) => known.includes(word));
};

const more = (one) => [one.local_name !== one.name && one.local_name, one.place, one.known ? null : "not learnt yet"].filter(Boolean).join(" · ");

/**
 * Make a field a combobox of landmarks; `chosen(landmark)` is called with the one that is taken.
 * What is typed and is none of them stays as it is: a new name. With `careful`, a new name is a
 * choice of its own, the last (`isNew`), and the likeliest landmark is marked as soon as it is found,
 * if it has every word that was typed.
 */
export function complete(input, chosen = () => {}, { from = "/api/v1/teach/names", careful = false } = {}) {
  const id = `names-${(made += 1)}`;
  const list = el("ul", { role: "listbox", id, tabindex: "-1", "aria-label": "Landmarks", hidden: true });
  const box = el("span", { class: "combo" });
  input.removeAttribute("list");
  for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": id, autocomplete: "off" })) input.setAttribute(name, value);
  input.replaceWith(box);
  box.append(input, list);
  let found = [], at = -1, timer = 0, asked = "";

  function show(open) {
    list.hidden = !open;
    input.setAttribute("aria-expanded", String(open));
    if (!open) mark(-1);
  }

  function mark(next) {
    at = next;
    [...list.children].forEach((one, i) => one.setAttribute("aria-selected", String(i === at)));
    if (at < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", list.children[at].id);
      list.children[at].scrollIntoView({ block: "nearest" });
    }
  }

  function take(one) {
    clearTimeout(timer);
    asked = "";
    input.value = one.name;
    show(false);
    chosen(one);
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    const text = (asked = input.value.trim());
    if (text.length < 2) { show(false); return; }
    timer = setTimeout(async () => {
      const names = await search(text, from).catch(() => []);
      if (asked !== text) return; // something else was typed since
      const isThere = names.some((one) => one.name.toLowerCase() === text.toLowerCase());
      found = careful && !isThere ? [...names, { name: text, isNew: true }] : names;
      list.replaceChildren(...found.map((one, i) => el("li", { role: "option", id: `${id}-${i}`, "aria-selected": "false" },
        one.isNew ? ["New landmark: “", el("bdi", {}, one.name), "”"] : [el("bdi", {}, one.name), " ", el("small", {}, el("bdi", {}, more(one)))])));
      show(found.length > 0 && document.activeElement === input);
      if (careful && !list.hidden && names.length && fits(names[0], text)) mark(0);
    }, PAUSE);
  });
  input.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    const last = found.length - 1;
    if (event.key === "ArrowDown") mark(at >= last ? 0 : at + 1);
    else if (event.key === "ArrowUp") mark(at <= 0 ? last : at - 1);
    else if (event.key === "Enter" && at >= 0) take(found[at]);
    else if (event.key === "Escape") show(false);
    else return;
    event.preventDefault();
  });
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) take(found[[...list.children].indexOf(option)]);
  });
  input.addEventListener("blur", () => { clearTimeout(timer); show(false); });
}

/** The form under an answer; `send(name)` corrects it, null says that it shows no landmark. */
export function correction(send) {
  const input = el("input", { type: "text", required: true, maxlength: "120", autocomplete: "off", dir: "auto", spellcheck: "false" });
  const back = el("p", { class: "said-back", role: "status" });
  const note = async (name) => {
    back.textContent = "Sending…";
    try {
      const { landmark } = await send(name);
      const count = landmark?.photos?.length ?? 1;
      const missing = landmark ? landmark.least - landmark.used : 0;
      const wait = missing > 0 ? ` ${missing} more needed.` : "";
      back.replaceChildren(`Noted: ${name ?? "no landmark"}, ${count} photo${count === 1 ? "" : "s"}.${wait} `, el("a", { href: "/teach#draft" }, "Teach"), " uses it.");
    } catch (error) {
      back.textContent = [error.message, error.hint].filter(Boolean).join(" ");
    }
  };
  const form = el("form", { onsubmit: (event) => { event.preventDefault(); note(input.value.trim()); } },
    el("p", { class: "field" }, el("label", {}, "What is it really?", input)),
    el("button", { class: "button" }, "Correct it"),
    el("button", { type: "button", class: "button", onclick: () => note(null) }, "It is no landmark"),
    el("p", { class: "said-back soft" }, "This photo is then kept on the computer that serves this page, until it is forgotten on Teach or the server stops."), back);
  complete(input);
  return el("details", { class: "correct" }, el("summary", {}, "Not right? Say what it is"), form);
}
