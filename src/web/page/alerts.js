// Alerts: colour and symbol at the number that fires, how many fire, and a sound for those that begin.

/** The column that shows the number of a threshold. */
const ALERT_COLUMNS = {
  waiting: 'waiting',
  longest_wait_secs: 'longest-wait',
  abandoned_percent: 'abandoned',
  service_level_percent: 'service-level',
  idle_agents: 'agents',
};

const ALERT_RANKS = { amber: 1, red: 2 };

/** By `<queue id> <threshold>`, the rank of what fired in the last picture; `undefined` before the first. */
let firedBefore;

let audio;

function alertsOf(queue) {
  return Object.entries(queue.alerts ?? {});
}

/** 2 with a red alert, 1 with amber ones only, 0 without any. */
function alertRank(queue) {
  return Math.max(0, ...alertsOf(queue).map(([, { level }]) => ALERT_RANKS[level] ?? 0));
}

/** How the number of a threshold is written. */
function formatOf(name) {
  return name.endsWith('_percent') ? formatPercent : name.endsWith('_secs') ? formatDuration : formatCount;
}

/** Different shapes, so that the difference is not one of colour alone. */
function symbolOf(level) {
  return level === 'red' ? '■' : '▲';
}

function formatAlert(name, { level, value, since }) {
  return texts.alert(texts[level] ?? level, formatOf(name)(value), formatTime(since));
}

/** Marks the numbers of a row that fire. */
function showAlerts({ queue, cells }) {
  const firing = Object.fromEntries(alertsOf(queue));
  for (const [name, column] of Object.entries(ALERT_COLUMNS)) {
    const cell = cells[column];
    const alert = firing[name];
    if (!alert && !cell.alert) continue;
    if (!cell.alert) {
      cell.alert = element('span', 'alert');
      cell.alert.setAttribute('role', 'img');
      cell.number.before(cell.alert);
    }
    setShown(cell.alert, alert != null);
    for (const level of ['amber', 'red']) cell.td.classList.toggle(level, alert?.level === level);
    setText(cell.alert, alert ? symbolOf(alert.level) : '');
    const what = alert ? formatAlert(name, alert) : '';
    cell.alert.setAttribute('aria-label', what);
    cell.alert.title = what;
  }
}

/** How many numbers of the chosen queues fire; a sound, if wanted, where one begins or turns red. */
function updateAlertCounts() {
  const fired = new Map();
  for (const { id, queue } of chosenRows()) {
    for (const [name, { level }] of alertsOf(queue)) fired.set(`${id} ${name}`, ALERT_RANKS[level] ?? 0);
  }
  const ranks = [...fired.values()];
  const countOf = (level) => ranks.filter((rank) => rank === ALERT_RANKS[level]).length;
  setText(byId('alerts'), texts.alertsNow(countOf('red'), countOf('amber')));
  byId('alerts').className = countOf('red') ? 'red' : 'amber';
  const begun = [...fired].filter(([key, rank]) => rank > (firedBefore?.get(key) ?? 0)).map(([, rank]) => rank);
  if (firedBefore && begun.length && choice('sound')) playSound(Math.max(...begun));
  firedBefore = fired;
}

/** After a change of what is chosen, alerts of other queues are not new. */
function forgetAlerts() {
  firedBefore = undefined;
}

/** One tone for amber, two for red. */
function playSound(tones) {
  audio ??= new AudioContext();
  // A browser lets a page sound after a person has touched it.
  audio.resume();
  for (let i = 0; i < tones; i += 1) {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    volume.gain.value = 0.2;
    tone.frequency.value = 660 + 220 * i;
    tone.connect(volume).connect(audio.destination);
    tone.start(audio.currentTime + i * 0.25);
    tone.stop(audio.currentTime + i * 0.25 + 0.2);
  }
}
