// The newest picture: a snapshot without what the page does not show, with the snapshot's own names; the head of
// src/web/picture.rs describes it. A test there (picture_tests.rs) reads these files: it fails where they read a name that
// is never sent from a variable called `picture`, `queue`, `user`, `metric`, `numbers`, `connection`, `settings`,
// `change` or `timeWindow`. So parts of the picture are always held in variables of these names.

let picture = bare();

/** `performance.now()` when the newest picture came. */
let receivedAt = -Infinity;

/** An object without a prototype: ids and metric names are keys, and `__proto__` must be a key like any other. */
function bare() {
  return Object.create(null);
}

/** Applies a JSON merge patch (RFC 7396). There are no lists in a picture. */
function applyPatch(target, patch) {
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) {
      delete target[name];
    } else if (typeof value === 'object') {
      if (typeof target[name] !== 'object') target[name] = bare();
      applyPatch(target[name], value);
    } else {
      target[name] = value;
    }
  }
}

/** Takes a message of the server. Gives the keys of the rows that may have changed, by kind. */
function takePicture({ whole, patch }) {
  const changed = {};
  for (const kind of ['queues', 'users', 'metrics', 'changes']) {
    const before = whole ? Object.keys(picture[kind] ?? {}) : [];
    changed[kind] = new Set([...before, ...Object.keys(patch[kind] ?? {})]);
  }
  if (whole) picture = bare();
  applyPatch(picture, patch);
  receivedAt = performance.now();
  return changed;
}

function row(kind, key) {
  return picture[kind]?.[key];
}

function hasPicture() {
  return picture.as_of != null;
}

function millisSinceReceived() {
  return performance.now() - receivedAt;
}

/** Milliseconds since 1970 of a moment of the picture; `undefined` without one. */
function toMillis(moment) {
  return moment == null ? undefined : Date.parse(moment);
}

/** The time for which durations are shown: it goes on between two pictures, and stands still while nothing is live. */
function timeShown() {
  if (!hasPicture()) return 0;
  return toMillis(picture.as_of) + (health.stale ? 0 : millisSinceReceived());
}

/** Seconds from a moment of the picture to the time shown. */
function secsSince(moment) {
  return moment == null ? undefined : (timeShown() - toMillis(moment)) / 1000;
}

/** The windows of a queue or of all queues, oldest first, each with its start in milliseconds. */
function windowsOf(owner) {
  const windows = owner?.windows ?? {};
  return Object.keys(windows)
    .sort()
    .map((start) => ({ start: toMillis(start), ...windows[start] }));
}
