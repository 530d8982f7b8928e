// What is said of one photo; the server builds the same in templates/answer_parts.html.

import { correction } from "./correct.js";
import { copy, distance, el, percent, svg } from "./dom.js";
import { frame, liven } from "./map.js";

const facts = document.getElementById("facts").content;
export const CLASSES = Number(facts.querySelector("[data-classes]").dataset.classes);
const countries = new Map([...facts.querySelectorAll("[value]")].map((one) => [one.value, one]));
const LATIN = /^\P{L}*\p{Script=Latin}/u;

const country = (code) => code && (countries.get(code)?.textContent ?? code);
const joined = (parts, by) => parts.filter((one) => one?.length ?? one).flatMap((one, i) => (i ? [by, one] : [one]));

// each name keeps its direction to itself
function where(guess) {
  return joined([guess.place && [el("bdi", {}, guess.place)], country(guess.country)], ", ");
}

function whereAndWhat(guess) {
  const category = guess.category && [el("bdi", {}, guess.category.replaceAll("_", " "))];
  return el("p", { class: "where" }, joined([where(guess), category], " · "));
}

function bar(score) {
  return svg("svg", { class: "bar", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { width: (100 * score).toFixed(1), height: 6 }));
}

function local(guess) {
  if (!guess.local_name || guess.local_name === guess.name) return null;
  const spoken = countries.get(guess.country);
  const fits = spoken?.lang && LATIN.test(guess.local_name) === (spoken.dataset.latin === "1");
  return el("p", { class: "local", dir: "auto", lang: fits ? spoken.lang : null }, guess.local_name);
}

export function guesses(rows) {
  return el("ol", { class: "guesses" }, rows.map((guess) => el("li", {},
    el("span", { class: "name" }, el("bdi", {}, guess.name), " ", el("small", {}, where(guess))),
    el("span", { class: "n" }, percent(guess.score)), bar(guess.score))));
}

const side = (degrees, plus, minus) => `${Math.abs(degrees).toFixed(4)}° ${degrees >= 0 ? plus : minus}`;

function osm(lat, lon) {
  const at = [lat.toFixed(5), lon.toFixed(5)];
  return `https://www.openstreetmap.org/?mlat=${at[0]}&mlon=${at[1]}#map=16/${at[0]}/${at[1]}`;
}

function place(guess) {
  if (guess.lat === null || guess.lon === null) return null;
  const drawn = frame(`Map of where ${guess.name} is`);
  const made = el("figure", { class: "place" }, drawn, el("figcaption", {},
    el("span", { class: "fixed" }, `${side(guess.lat, "N", "S")}, ${side(guess.lon, "E", "W")}`), " ",
    el("a", { href: osm(guess.lat, guess.lon), target: "_blank", rel: "noopener noreferrer" },
      "OpenStreetMap", el("span", { class: "gone" }, ", opens a new tab"))));
  const map = liven(drawn);
  map.look(guess.lat, guess.lon);
  map.pin(guess.lat, guess.lon, guess.name);
  return made;
}

function neighbours(rows) {
  if (!rows?.length) return null;
  return el("section", { class: "neighbours" }, el("h3", {}, "Nearest photos it learnt from"),
    el("ul", {}, rows.map((row) => el("li", {},
      el("img", { src: row.src, alt: "" }), el("span", {}, el("bdi", {}, row.label)), " ",
      el("small", {}, `${percent(row.similarity)} alike`)))));
}

function camera(said, asked) {
  if (!asked) return null;
  const metres = said.predictions[0].distance_m;
  const line = (text) => el("p", { class: "camera" }, text);
  if (typeof metres === "number") return line(`Taken ${distance(metres)} from there, says the camera.`);
  return said.camera ? null : line("The photo does not say where it was taken.");
}

/** The words for a photo that was recognised, or was not. */
function words(said, k, useGps) {
  const best = said.predictions[0], rows = said.predictions.slice(0, k);
  const heading = (text) => el("h2", { tabindex: "-1" }, text);
  if (!said.known) {
    return [heading("I don't know this place"),
      el("p", { class: "where" },
        `It does not look like any of the ${CLASSES.toLocaleString("en")} landmarks I have learnt.`),
      el("details", { class: "nearest" }, el("summary", {}, "Nearest guesses"), guesses(rows))];
  }
  return [heading(el("bdi", {}, best.name)), local(best),
    whereAndWhat(best), camera(said, useGps), guesses(rows)];
}

/** What the API said, without pictures, cut to k guesses: what is copied. */
export function plain(said, k) {
  const { heatmap, neighbours: near, ...kept } = said;
  return { ...kept, predictions: said.predictions.slice(0, k) };
}

/** A sentence for the status line. */
export function spoken(said) {
  if (!said.known) return "I don't know this place.";
  return `${said.predictions[0].name}, ${percent(said.predictions[0].score)}.`;
}

/**
 * The card of one photo, which waits for its answer.
 * `ask` holds what the card may do: heat(), again(), remove(), correct(name) or null.
 */
export function card(name, picture, ask) {
  const image = el("img", { src: picture, alt: "Your photo" });
  const shot = el("div", { class: "shot" }, image);
  const blind = el("p", { class: "blind" }, "This browser cannot show this kind of photo.");
  image.addEventListener("error", () => image.replaceWith(blind));
  const file = el("p", { class: "file" }, el("bdi", {}, name));
  const text = el("div", { class: "said" });
  const root = el("article", { class: "answer", tabindex: "-1" }, shot, text);
  let said = null, heat = null;

  const button = (kind, onclick, ...text) => el("button", { type: "button", class: kind, onclick }, ...text);
  const heatButton = button("button heat", toggleHeat, "What it looked at");
  heatButton.setAttribute("aria-pressed", "false");
  const remove = () => button("link right", ask.remove, "Remove", el("span", { class: "gone" }, ` ${name}`));

  function reset(kind, ...content) {
    root.className = `answer ${kind}`.trim();
    text.replaceChildren(file, ...content.filter(Boolean));
    [...root.children].filter((one) => one !== shot && one !== text).forEach((one) => one.remove());
  }

  function wait(reason = "Looking…") {
    reset("waiting", el("h2", {}, reason), el("progress", { "aria-label": reason }));
    heatButton.remove();
  }

  function refuse(error) {
    reset("wrong", el("h2", { tabindex: "-1" }, error.code === "offline" ? "No answer" : "This photo can't be used"),
      el("p", { class: "why" }, error.message), error.hint && el("p", { class: "why" }, error.hint));
    root.append(el("div", { class: "more" }, button("button", ask.again, "Try again"), remove()));
  }

  function show(answer, k, useGps) {
    said = answer;
    reset(said.known ? "" : "unknown", ...words(said, k, useGps));
    const near = neighbours(said.neighbours);
    root.append(...[said.known && place(said.predictions[0]), near, more(k)].filter(Boolean));
    if (image.isConnected) shot.append(heatButton);
    if (said.heatmap) { heat = said.heatmap; press(true); }
  }

  function limit(k) {
    if (!said) return;
    root.querySelector(".guesses").replaceWith(guesses(said.predictions.slice(0, k)));
    root.querySelector("pre").textContent = json(k);
  }

  const json = (k) => JSON.stringify(plain(said, k), null, 2);

  function more(k) {
    const text = el("pre", { tabindex: "0", "aria-label": "Answer as JSON" }, json(k));
    const button = el("button", { type: "button", class: "button", onclick: async () => {
      const done = await copy(text.textContent);
      if (!done) text.parentElement.open = true;
      button.textContent = done ? "Copied" : "Copy it from here";
      setTimeout(() => { button.textContent = "Copy as JSON"; }, 2500);
    } }, "Copy as JSON");
    return el("div", { class: "more" }, button, el("details", { class: "json" }, el("summary", {}, "Show JSON"), text),
      ask.correct && correction(ask.correct), remove());
  }

  function press(on) {
    heatButton.setAttribute("aria-pressed", String(on));
    image.src = on ? heat : picture;
    image.alt = on ? "Your photo; warm colours mark what it looked at" : "Your photo";
  }

  async function toggleHeat() {
    if (heat) { press(heatButton.getAttribute("aria-pressed") !== "true"); return; }
    heatButton.disabled = true;
    heatButton.textContent = "Drawing…";
    try {
      heat = (await ask.heat()).heatmap;
      press(true);
    } catch (error) {
      heatButton.title = error.message;
    } finally {
      heatButton.disabled = false;
      heatButton.textContent = "What it looked at";
      heatButton.focus();
    }
  }

  wait();
  return { root, wait, refuse, show, limit, plain: (k) => (said ? plain(said, k) : null) };
}
