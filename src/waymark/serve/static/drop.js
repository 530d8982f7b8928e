// Photos dropped, pasted, picked or taken: each way ends in the same call.

const ENDINGS = /\.(hei[cf]|avif|jpe?g|png|webp|tiff?|bmp|gif)$/i; // some systems have no type for a few
const isPhoto = (file) => file.type.startsWith("image/") || ENDINGS.test(file.name);

/**
 * Call `take(photos, others)` with photos that come in, and how many files were none.
 * The whole window is a target, so that a photo that misses the zone does not open in its place.
 */
export function watch(zone, inputs, take) {
  const give = (files) => {
    const all = [...files], photos = all.filter(isPhoto);
    if (all.length) take(photos, all.length - photos.length);
  };
  for (const input of inputs) {
    input.addEventListener("change", () => { give(input.files); input.value = ""; });
  }
  let depth = 0;
  const mark = (by) => { depth = Math.max(0, depth + by); zone.classList.toggle("over", depth > 0); };
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => { if (carries(event)) { event.preventDefault(); mark(1); } });
  addEventListener("dragleave", (event) => { if (carries(event)) mark(-1); });
  addEventListener("dragover", (event) => { if (carries(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    mark(-depth);
    give(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    give(event.clipboardData.files);
  });
}
