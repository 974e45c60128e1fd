// What happens with each picture and each second.

/** The program's version: another one may have another page. */
let version;

function onPicture(message) {
  const changed = takePicture(message);
  if (version && version !== picture.version) location.reload();
  version = picture.version;
  setConnected();
  updateHealth();
  updateQueues(changed.queues);
  if (changed.users.size) updateUsers(changed.users);
  updateMetrics(changed.metrics);
  updateChanges(changed.changes);
  updateTiles();
  updateFacts();
  tick();
  if (changed.queues.size) showDayTotals();
}

function updateFacts() {
  const { connection, settings } = picture;
  const since = settings.totals_since === 'day' ? texts.midnight : formatTime(picture.started_at);
  setText(byId('since'), picture.all_queues ? texts.totalsSince(since) : '');
  const facts = texts.facts({
    version: picture.version,
    protocol: connection.protocol,
    connections: connection.connections,
    reconnects: connection.reconnects,
    gaps: connection.gaps_total,
    unrepaired: connection.gaps_unrepaired,
    dropped: picture.counters.events_dropped,
    refused: connection.topics_refused,
  });
  setText(byId('facts'), facts.filter(Boolean).join(' · '));
}

function tick() {
  updateHealth();
  setText(byId('clock'), formatClock());
  setText(byId('age'), ageText());
  tickQueues();
  tickTiles();
  tickUsers();
  tickChanges();
  askForDay();
  document.title = titleText();
}

/** How old the newest frame is. */
function ageText() {
  if (!hasPicture()) return '';
  const asOf = toMillis(picture.as_of);
  const frameAt = toMillis(picture.connection.last_frame_at) ?? asOf;
  const secs = Math.max(0, (asOf + millisSinceReceived() - frameAt) / 1000);
  return texts.age(secs < 60 ? `${Math.floor(secs)} s` : formatDuration(secs));
}

function titleText() {
  const title = choice('title') ?? 'genesys-stream';
  if (health.stale && hasPicture()) return texts.windowTitleNotLive(title);
  const { waiting } = liveTotals();
  return waiting == null ? title : texts.windowTitle(waiting, title);
}

fillTexts();
makeQueueHead();
makeAgentHead();
makePanel();
byId('filter').oninput = filterQueues;
byId('changes-kind').oninput = showChanges;
addEventListener('resize', sortQueues);
connect();
setInterval(tick, 1000);
applyView();
