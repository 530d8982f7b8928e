// What is asked of the server, and what it answers, errors included.

const csrf = () => document.querySelector('meta[name="csrf"]').content;
const TRIES = 6;

/** An error as the server words it. */
export class Refused extends Error {
  constructor({ message, hint, code }) {
    super(message);
    Object.assign(this, { hint, code });
  }
}

const offline = () => new Refused({ code: "offline", message: "The server does not answer.", hint: "Is waymark serve still running? Then try again." });
const unworded = (answer) => new Refused({ code: "http", message: `The server answered ${answer.status}.`, hint: "Try again." });

/** Get something; returns the answer. */
export async function get(address) {
  const answer = await fetch(address, { headers: { Accept: "application/json" } }).catch(() => { throw offline(); });
  if (answer.status === 401) location.assign("/login");
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => null);
  throw said?.error ? new Refused(said.error) : unworded(answer);
}

/** Get JSON. */
export const ask = async (address) => (await get(address)).json().catch(() => { throw offline(); });

/** Post a form; returns the JSON of the answer. Waits and asks again while the server is busy. */
export async function post(address, form, { onWait = () => {} } = {}) {
  for (let attempt = 1; ; attempt += 1) {
    let answer;
    try {
      const headers = { "X-CSRF-Token": csrf(), Accept: "application/json" };
      answer = await fetch(address, { method: "POST", body: form, headers });
    } catch {
      throw offline();
    }
    if (answer.status === 503 && attempt < TRIES) {
      onWait();
      const seconds = Number(answer.headers.get("Retry-After")) || 1;
      await new Promise((done) => setTimeout(done, 1000 * Math.min(seconds, 20) * (0.75 + Math.random() / 2)));
      continue;
    }
    if (answer.status === 401) location.assign("/login");
    const said = await answer.json().catch(() => null);
    if (said?.error) throw new Refused(said.error);
    if (!answer.ok) throw unworded(answer);
    return said;
  }
}

/** Ask what a photo shows; returns the one answer. */
export async function predict(photo, { k = 10, explain = false, useGps = false, onWait } = {}) {
  const form = new FormData();
  form.append("photos", photo, photo.name || "photo");
  form.append("k", k);
  form.append("explain", explain ? "true" : "false");
  form.append("use_gps", useGps ? "true" : "false");
  form.append("neighbours", "true");
  const [one] = (await post("/api/v1/predict", form, { onWait })).photos;
  if (one.error) throw new Refused(one.error);
  return one;
}
