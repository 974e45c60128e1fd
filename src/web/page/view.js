// What the viewer chose, as the address says it (docs/page.md has the list): which queues, in which order, how they
// are shown. This browser remembers the choices; an address that has any stands alone. `?dark` and `?light` are short for
// a theme, and without one the page has the system's (dark.css).

const root = document.documentElement;
const parameters = new URLSearchParams(location.search);

const view = {
  kiosk: parameters.has('kiosk'),
};

const CHOICES = ['queues', 'sort', 'chart', 'title', 'theme', 'lang', 'page_secs', 'agents', 'agent_queue', 'agent_sort', 'limits', 'sound'];
/** The wall screen is remembered apart from the page on a desk. */
const STORED_AS = view.kiosk ? 'genesys-stream kiosk' : 'genesys-stream';

/** By name, what was chosen; without an entry the page decides. */
const choices = new Map();

function choice(name) {
  return choices.get(name);
}

/** Sets a choice, or takes it back without a value; the address and this browser follow. */
function choose(name, value) {
  if (value) choices.set(name, value);
  else choices.delete(name);
  keepChoices();
}

/** The address of the page with these choices. */
function addressOf({ kiosk }) {
  const query = new URLSearchParams([...choices]).toString().replaceAll('%2C', ',');
  const parts = [kiosk ? 'kiosk' : '', query].filter(Boolean);
  return parts.length ? `/?${parts.join('&')}` : '/';
}

function keepChoices() {
  history.replaceState(null, '', addressOf(view));
  document.getElementById('wall').href = addressOf({ kiosk: true });
  try {
    localStorage.setItem(STORED_AS, JSON.stringify([...choices]));
  } catch {
    // Where a browser keeps nothing, the address still does.
  }
}

function readChoices() {
  for (const name of CHOICES) if (parameters.get(name)) choices.set(name, parameters.get(name));
  for (const theme of ['dark', 'light']) if (parameters.has(theme)) choices.set('theme', theme);
  try {
    const remembered = choices.size ? [] : JSON.parse(localStorage.getItem(STORED_AS)) ?? [];
    for (const [name, value] of remembered) if (CHOICES.includes(name)) choices.set(name, String(value));
  } catch {
    // As if nothing was remembered.
  }
}

function applyTheme() {
  for (const theme of ['dark', 'light']) root.classList.toggle(theme, choice('theme') === theme);
}

readChoices();
if (choices.size) keepChoices();
root.classList.toggle('kiosk', view.kiosk);
applyTheme();

/** The chosen queues, by id or name without regard to case; `undefined` for all. */
function chosenQueues() {
  const names = choice('queues')?.split(',').map((name) => name.trim().toLowerCase()).filter(Boolean);
  return names?.length ? new Set(names) : undefined;
}

/** Those of the chosen names and ids that no queue has, as they were written. */
function unknownChoices(queues) {
  const known = new Set(queues.flatMap(({ id, queue }) => [id.toLowerCase(), (queue.name ?? '').trim().toLowerCase()]));
  const names = (choice('queues') ?? '').split(',').map((name) => name.trim());
  return names.filter((name) => name && !known.has(name.toLowerCase()));
}

function isChosen(id, queue, chosen = chosenQueues()) {
  return !chosen || chosen.has(id.toLowerCase()) || chosen.has((queue.name ?? '').trim().toLowerCase());
}
