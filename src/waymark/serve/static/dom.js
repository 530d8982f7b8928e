// Elements made of text: nothing that anybody named ever becomes markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Make an element; strings among the children become text. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Make an element of an SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Say something to who looks and to who listens. */
export function say(text) {
  document.getElementById("status").textContent = text;
}

/** Write 0-1 as a percentage that claims no certainty, rounded down; as `percent` in pages_place.py. */
export function percent(share) {
  if (share >= 0.995 && share < 1) return ">99 %";
  if (share > 0 && share < 0.01) return "<1 %";
  return `${Math.floor(100 * share + 1e-9)} %`;
}

/** Write a distance as one would say it; as `say_distance` in pages_place.py. */
export function distance(metres) {
  if (metres < 1000) return `${Math.max(10, 10 * Math.round(metres / 10))} m`;
  if (metres < 10000) return `${(metres / 1000).toFixed(1)} km`;
  return `${Math.round(metres / 1000).toLocaleString("en")} km`;
}

/** Copy text; says whether it worked, for pages that are not served over https have no clipboard. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const box = el("textarea", { class: "gone", "aria-hidden": "true", readonly: true });
    box.value = text;
    const before = document.activeElement;
    document.body.append(box);
    box.select();
    const done = document.execCommand("copy");
    box.remove();
    before?.focus();
    return done;
  }
}
