// The last changes: starts, interruptions of the stream, gaps and their repair, alerts; the newest on top.

/** By number, as in the picture: { change, tr, state }. */
const changeRows = new Map();

/** The chosen alerts, and what is about the stream. */
function isChangeShown(change) {
  const wanted = byId('changes-kind').value;
  if (change.kind !== 'alert') return wanted !== 'alert';
  return wanted !== 'stream' && isChosen(change.queue_id, { name: change.queue });
}

function makeChangeRow(number) {
  const made = { tr: tablePart('tr', 'row'), time: element('time'), symbol: element('span', 'alert'), what: element('span'), state: tablePart('td', 'cell') };
  made.symbol.setAttribute('aria-hidden', 'true');
  made.what.dir = 'auto';
  const th = tablePart('th', 'rowheader');
  const td = tablePart('td', 'cell');
  th.append(made.time);
  td.append(made.symbol, made.what);
  made.tr.append(th, td, made.state);
  changeRows.set(number, made);
  return made;
}

/** What happened, in words. */
function describeChange(change) {
  if (change.kind === 'start') return texts.started;
  if (change.kind === 'interruption') {
    if (change.stopped) return texts.changeStopped(change.cause);
    return texts.interruption(change.cause) + (change.attempts > 1 ? texts.attempts(change.attempts) : '');
  }
  if (change.kind === 'gap') return texts.gapOf(change.topics) + (change.cause ? `: ${change.cause}` : '');
  const label = columns.find(({ name }) => name === ALERT_COLUMNS[change.name])?.label ?? change.name;
  return texts.alertOf(change.queue ?? change.queue_id.slice(0, 8), label, texts[change.level] ?? change.level, formatOf(change.name)(change.value));
}

/** How long it lasted, or lasts, and what became of it. */
function changeState(change) {
  if (change.stopped) return '';
  const isOver = change.until != null;
  const secs = isOver ? (toMillis(change.until) - toMillis(change.at)) / 1000 : secsSince(change.at);
  const duration = formatDuration(secs);
  const state = isOver ? duration : texts.lasts(duration);
  if (change.kind !== 'gap' || !isOver) return state;
  return `${state} · ${change.repaired ? texts.repaired : texts.notRepaired}`;
}

/** Shows these changes of the picture. */
function updateChanges(changed) {
  for (const number of changed) {
    const change = row('changes', number);
    if (!change) {
      changeRows.get(number)?.tr.remove();
      changeRows.delete(number);
      continue;
    }
    const shown = changeRows.get(number) ?? makeChangeRow(number);
    shown.change = change;
    const level = change.kind === 'alert' ? change.level : 'none';
    shown.tr.className = change.until == null && level !== 'none' ? level : '';
    setText(shown.symbol, level === 'none' ? '●' : symbolOf(level));
    shown.symbol.className = `alert ${change.until != null || change.kind === 'start' ? 'over' : level === 'none' ? 'red' : level}`;
    setText(shown.time, isToday(change.at) ? formatTime(change.at) : formatDay(change.at));
    shown.time.dateTime = change.at;
    setText(shown.what, describeChange(change));
    setText(shown.state, changeState(change));
  }
  if (changed.size) showChanges();
}

/** Those of the chosen kind and queues. */
function showChanges() {
  // Keys that are numbers are in the order in which the changes began.
  const shown = Object.keys(picture.changes ?? {}).reverse().map((number) => changeRows.get(number)).filter(({ change }) => isChangeShown(change));
  const elements = new Set(shown.map(({ tr }) => tr));
  for (const tr of [...byId('change-rows').children]) if (!elements.has(tr)) tr.remove();
  setOrder(byId('change-rows'), [...elements]);
  setShown(byId('changes'), changeRows.size > 0 && !view.kiosk);
  setText(byId('changes-none'), shown.length ? '' : texts.noChanges);
}

/** Goes on with the durations of what lasts. */
function tickChanges() {
  for (const { change, state } of changeRows.values()) if (change.until == null) setText(state, changeState(change));
}
