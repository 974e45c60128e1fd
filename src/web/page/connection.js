// The connection to the program: an event stream that the browser makes again by itself as long as it can.

const RETRY_MS = 3000;

let source;
/** `performance.now()` when the connection was lost; `undefined` while it is there. */
let lostAt;

function isOpening() {
  return source?.readyState === EventSource.CONNECTING;
}

/** 0 while the connection is there. */
function millisSinceLost() {
  return lostAt == null ? 0 : performance.now() - lostAt;
}

function setConnected() {
  lostAt = undefined;
}

function connect() {
  source = new EventSource('/api/page');
  source.onopen = setConnected;
  source.onmessage = (event) => onPicture(JSON.parse(event.data));
  source.onerror = () => {
    lostAt ??= performance.now();
    tick();
    // The browser gives up where it was refused: with 401 after a change of the token, with 503 if there are too many
    // viewers. An event source does not tell which.
    if (source.readyState === EventSource.CLOSED) setTimeout(retry, RETRY_MS);
  };
}

async function retry() {
  try {
    const response = await fetch('/api/snapshot', { method: 'HEAD', cache: 'no-store' });
    // The login form comes in place of this page.
    if (response.status === 401) return location.reload();
  } catch {
    // Nobody answers: go on trying.
  }
  connect();
}
