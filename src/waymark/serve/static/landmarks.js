// The Landmarks page: the list narrows as one types, and the map with it.

import { say } from "./dom.js";
import { liven } from "./map.js";

const list = document.getElementById("landmarks");
const field = document.getElementById("q");
const rows = [...list.children];
const frame = document.querySelector("[data-map]");
const map = frame && liven(frame);
const pins = new Map([...document.querySelectorAll(".pins a")].map((one) => [one.getAttribute("href").slice(1), one]));

const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/ı/g, "i")
  .replace(/[^\p{L}\p{N}]+/gu, " ").trim();
const words = new Map(rows.map((row) => [row, ` ${fold(row.dataset.words)}`]));

function narrow() {
  const wanted = fold(field.value).split(" ").filter(Boolean);
  let left = 0;
  for (const row of rows) {
    const fits = wanted.every((word) => words.get(row).includes(` ${word}`));
    row.hidden = !fits;
    pins.get(row.id)?.classList.toggle("off", !fits);
    left += fits;
  }
  document.getElementById("none").hidden = left > 0;
  say(wanted.length ? `${left} of ${rows.length} landmarks.` : "");
}

if ("all" in list.dataset) {
  field.form.addEventListener("submit", (event) => event.preventDefault());
  field.form.querySelector("button").hidden = true;
  field.addEventListener("input", narrow);
  if (field.value) narrow();
}

list.addEventListener("click", (event) => {
  const button = event.target.closest("[data-show]");
  if (!button || !map) return;
  const row = button.closest("li");
  const [x, y] = button.dataset.show.split(" ").map(Number);
  const name = row.querySelector("h2").textContent;
  map.lookAt(x, y, 300);
  map.pinAt(x, y, name);
  rows.forEach((one) => one.classList.toggle("shown", one === row));
  frame.scrollIntoView({ block: "nearest" });
  frame.focus({ preventScroll: true });
  say(`${name} is in the middle of the map.`);
});
