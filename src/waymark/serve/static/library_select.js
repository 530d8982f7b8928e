// What is said of the photos of the grid: of one, or of all that are selected, in one press.

import { ask } from "./api.js";
import { say } from "./dom.js";
import { called } from "./library_grid.js";
import { KEYS, SAID, correctionField, many, tell, trouble } from "./library_say.js";

const MOST = 1000; // photos of a press, as the server takes them
const bar = document.getElementById("chosen");
const dialog = document.getElementById("correct-them");
const TAKEN = ["landmark", "score", "confidence", "evidence", "gps_says"]; // all that are corrected have the same

/** Photos that are selected, by where they are in the grid; `paint` shows it. */
export function makeSelection(paint) {
  let held = new Set(), before = held, anchor = null;

  function hold(next) {
    if (next.size > MOST) { say(`At most ${many(MOST)} can be selected.`); return; }
    held = next;
    bar.hidden = !held.size;
    document.getElementById("count").textContent = `${held.size.toLocaleString("en")} selected`;
    paint();
  }

  return {
    has: (index) => held.has(index),
    all: () => [...held].sort((a, b) => a - b),
    get size() { return held.size; },
    clear() { anchor = null; if (held.size) hold(new Set()); },
    /** What is selected next with Shift begins where one is then. */
    rest() { anchor = null; },
    toggle(index) {
      const next = new Set(held);
      if (!next.delete(index)) next.add(index);
      hold(next);
      [anchor, before] = [index, held];
    },
    /** Select all between where one began, or else `from`, and `index`. */
    extend(index, from = index) {
      if (anchor === null) [anchor, before] = [from, held];
      const [first, last] = [Math.min(anchor, index), Math.max(anchor, index)];
      if (last - first >= MOST) { say(`At most ${many(MOST)} can be selected.`); return; }
      hold(new Set([...before, ...Array.from({ length: last - first + 1 }, (_, i) => first + i)]));
    },
  };
}

/** Make the grid one in which photos are selected and reviewed; `undo` takes back. */
export function review(box, grid, selection, { undo, said: after }) {
  const input = document.getElementById("correct");
  const meant = correctionField(input, () => correct());
  let asked = [], from = null; // which photos the dialog is about, and where one was before
  const place = (target) => { const cell = target?.closest?.("[data-index]"); return cell && box.contains(cell) ? Number(cell.dataset.index) : null; };

  async function judge(indexes, what, options = {}) {
    const seen = await grid.photos(indexes);
    const { photos } = await tell(what, seen, options);
    trouble(null);
    if (photos.length) {
      const values = { state: what };
      if (what === "corrected") {
        const one = await ask(`/api/v1/library/photos/${photos[0]}`);
        for (const name of TAKEN) values[name] = one[name];
      }
      grid.change(photos, values);
    }
    if (indexes.some(selection.has)) {
      if (!box.contains(document.activeElement)) box.querySelector(`[data-index="${indexes[0]}"] a`)?.focus({ preventScroll: true });
      selection.clear();
    }
    const copies = photos.length - seen.length;
    const who = indexes.length === 1 ? called(grid.at(indexes[0])) : many(Math.min(photos.length, seen.length));
    say(photos.length ? `${who}: ${SAID[what].toLowerCase()}${copies > 0 ? `, ${copies === 1 ? "a copy" : `${copies} copies`} too` : ""}.` : "Nothing changed.");
    after();
  }

  function correct({ isNew = false } = {}) {
    const what = meant();
    if (!what) { input.focus(); return; }
    const box = document.getElementById("correct-problem");
    judge(asked, "corrected", { ...what, isNew: isNew || what.isNew }).then(
      () => dialog.close(),
      (error) => trouble(error, { box, again: { name: what.name, act: () => correct({ isNew: true }) } }),
    );
  }

  /** Do what a key stands for with what is selected, or with the photo at `index`. */
  function act(key, index) {
    const indexes = selection.size ? selection.all() : index === null ? [] : [index];
    if (key === "u") undo();
    else if (key === "escape" && selection.size) selection.clear();
    else if (!indexes.length || !(key in KEYS || key === "c")) return false;
    else if (key === "c") {
      [asked, from] = [indexes, index];
      dialog.querySelector(".main").textContent = `Correct ${many(indexes.length)}`;
      input.value = "";
      trouble(null, { box: document.getElementById("correct-problem") });
      dialog.showModal();
    } else if (key !== "n" && indexes.length === 1 && grid.at(indexes[0])?.landmark === null) say(`There is no tag to ${key === "a" ? "approve" : "reject"}.`);
    else judge(indexes, KEYS[key]).catch(trouble);
    return true;
  }

  function move(event, index) {
    const end = grid.count - 1;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -grid.across, ArrowDown: grid.across, Home: -index, End: end - index };
    if (!(event.key in steps)) return false;
    const next = Math.min(Math.max(index + steps[event.key], 0), end);
    if (event.shiftKey) selection.extend(next, index);
    else selection.rest();
    grid.focus(next);
    return true;
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || dialog.open) return;
    const index = place(event.target), isMove = /^(Arrow|Home|End)/.test(event.key);
    if ((index === null && !event.target.matches("body, main, #chosen *")) || (event.repeat && !isMove)) return;
    if (index === null && /^Arrow(Down|Right)$/.test(event.key)) grid.focus(grid.first);
    else if (index === null && /^(Home|End)$/.test(event.key) && grid.count) grid.focus(event.key === "Home" ? 0 : grid.count - 1);
    else if (index !== null && event.key === " ") selection.toggle(index);
    else if (!(index !== null && move(event, index)) && !act(event.key.toLowerCase(), index)) return;
    event.preventDefault();
  });
  bar.addEventListener("click", (event) => {
    const button = event.target.closest("[data-key]");
    if (button && event.detail < 2) act(button.dataset.key, null);
  });
  box.addEventListener("click", (event) => {
    const index = place(event.target);
    if (index === null || event.ctrlKey || event.metaKey) return;
    if (event.shiftKey) selection.extend(index);
    else if (selection.size || event.target.closest(".tick")) selection.toggle(index);
    else {
      history.replaceState({ at: index }, ""); // where to be again when one comes back
      return;
    }
    event.preventDefault();
    grid.focus(index);
  });
  dialog.addEventListener("submit", (event) => { event.preventDefault(); correct(); });
  dialog.addEventListener("close", () => { if (from !== null) grid.focus(from); }); // its photo may have been drawn anew
  document.getElementById("correct-not").addEventListener("click", () => dialog.close());
}
