// The map of what the grid shows: a pin a landmark, or one for several that would lie on each other.

import { svg } from "./dom.js";
import { many } from "./library_say.js";
import { liven, pin, project } from "./map.js";

const [NEAR_X, NEAR_Y] = [34, 14]; // px between pins that are joined; a number stands beside each
const CLOSEST = 8; // units: streets; there pins are joined no more
const MOST = 3000; // landmarks

/** Make a map of a frame; `choose(place)` is called with the landmark that is clicked on. */
export function makeMap(frame, choose) {
  let places = [], groups = [], unit = 1, map = null;

  function join() {
    const isClosest = unit * frame.clientWidth < CLOSEST * 1.02;
    groups = [];
    for (const one of places) {
      const near = isClosest ? null : groups.find(([first]) => Math.hypot((first.x - one.x) / NEAR_X, (first.y - one.y) / NEAR_Y) < unit);
      if (near) near.push(one);
      else groups.push([one]);
    }
  }

  const sum = (group) => group.reduce((photos, one) => photos + one.photos, 0);

  function mark(group) {
    const [{ x, y, name, id }] = group, photos = sum(group);
    const others = group.length > 1 ? ` and ${group.length - 1} more` : "";
    const drawn = pin(x, y, `${name}${others}: ${many(photos)}`, others || photos > 100);
    if (photos > 1) drawn.append(svg("text", { class: "sum", x: x + 11 * unit, y: y + 4.5 * unit, "font-size": 13 * unit, "stroke-width": 4 * unit }, photos.toLocaleString("en")));
    // the filter has them all by name, so the keyboard need not come here
    const link = svg("a", { href: `/library?landmark=${encodeURIComponent(id)}`, tabindex: "-1" }, ...drawn.childNodes);
    link.addEventListener("click", (event) => {
      event.preventDefault();
      if (others) map.fit(group, 0);
      else choose(group[0]);
    });
    return link;
  }

  function draw() {
    join();
    frame.querySelector(".pins").replaceChildren(...groups.map(mark).reverse());
  }

  // where pins and their numbers are, no town is named
  function kept() {
    return groups.map((group) => [group[0].x - 10 * unit, group[0].y - 10 * unit, group[0].x + (group.length > 1 ? 14 + 9 * String(sum(group)).length : 10) * unit, group[0].y + 10 * unit]);
  }

  function look() {
    draw();
    map.fit(places);
  }

  return {
    /** Show landmarks, most photos first, and look at all of them. */
    show(found) {
      places = found.slice(0, MOST).map((one) => { const [x, y] = project(one.lat, one.lon); return { ...one, x, y }; });
      if (map) look();
    },
    /** Begin, once the frame is seen. */
    open() {
      map ??= liven(frame, { closest: CLOSEST, kept, zoomed: (now) => { unit = now; draw(); } });
      look();
    },
  };
}
