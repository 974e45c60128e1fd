// The tiles: the numbers of all chosen queues together, each with a small drawing.

/** Tiles of what is true now, by the names of the snapshot's `totals`. */
const liveTiles = [
  { field: 'waiting', tile: makeTile(texts.waiting) },
  { field: 'interacting', tile: makeTile(texts.interacting) },
  { field: 'after_call_work', tile: makeTile(texts.afterCallWork) },
  { field: 'active_conversations', tile: makeTile(texts.conversations) },
];

const serviceLevelTile = makeTile(texts.serviceLevel);
const abandonedTile = makeTile(texts.abandoned, 'abandoned');

function makeTile(label, areaClass = 'area') {
  const box = element('div');
  const dd = element('dd');
  const number = element('b', '', UNKNOWN);
  const note = element('i');
  const chart = drawing(100, 30);
  const tile = { box, number, note, area: shape(chart, areaClass), line: shape(chart, 'line') };
  dd.append(number, note, chart);
  box.append(element('dt', '', label), dd);
  byId('tiles').append(box);
  return tile;
}

/** The live numbers of the chosen queues; which conversations are theirs is not known. */
function liveTotals() {
  if (!chosenQueues()) return { ...picture.totals };
  const totals = {};
  for (const { queue } of chosenRows()) {
    for (const { field } of liveTiles) {
      if (queue[field] != null) totals[field] = (totals[field] ?? 0) + queue[field];
    }
  }
  return totals;
}

/** The counts of the chosen queues since the day or the run began; `undefined` without any. */
function countedTotals() {
  if (!chosenQueues()) return picture.all_queues?.totals;
  const sum = { offered: 0, answered: 0, abandoned: 0 };
  let judged = 0;
  let inTime = 0;
  const rows = chosenRows().filter(({ queue }) => queue.totals);
  for (const { queue } of rows) {
    const numbers = queue.totals;
    sum.offered += numbers.offered;
    sum.answered += numbers.answered;
    sum.abandoned += numbers.abandoned;
    if (numbers.service_level_percent != null) {
      const visits = numbers.answered + numbers.abandoned - numbers.short_abandoned;
      judged += visits;
      inTime += visits * numbers.service_level_percent;
    }
  }
  if (judged) sum.service_level_percent = inTime / judged;
  return rows.length ? sum : undefined;
}

/** A longer number is smaller (page.css), so that it stays inside its tile. */
function setNumber(target, text) {
  setText(target, text);
  target.style.setProperty('--chars', text.length);
}

/** In the names of the chart of the day, what it tells of several queues together. */
const DAY_MEANS = { waiting: 'waiting_mean', interacting: 'interacting_mean' };

/** A live number in the last hour, by minute, and now: the program has kept it, so that it is there after a reload. */
function liveHistory(field, now) {
  const past = () => {
    if (chosenQueues()) return DAY_MEANS[field] ? dayValues(DAY_MEANS[field]) : [];
    const last = Math.floor(toMillis(picture.as_of) / 60_000) * 60_000;
    const minutes = Array.from({ length: CHART_VALUES - 1 }, (_, i) => new Date(last - (CHART_VALUES - 2 - i) * 60_000));
    return minutes.map((minute) => picture.history?.[minute.toISOString()]?.[field]);
  };
  const values = past();
  return values.length ? [...values, health.stale ? undefined : now] : [];
}

function updateTiles() {
  const totals = liveTotals();
  for (const { field, tile } of liveTiles) {
    setNumber(tile.number, formatCount(totals[field]));
    // A tile stays while no queue is known.
    setShown(tile.box, totals[field] != null || (picture.all_queues != null && (field !== 'active_conversations' || !chosenQueues())));
    const { line, area } = sparkline(liveHistory(field, totals[field]));
    draw(tile.line, line);
    draw(tile.area, area);
  }
  setShown(byId('tiles').parentNode, Object.keys(totals).length > 0);
  const numbers = countedTotals();
  setShown(serviceLevelTile.box, numbers != null);
  setShown(abandonedTile.box, numbers != null);
  // The lines are those of all queues, so a choice of queues has none.
  if (numbers) updateDayTiles(numbers, chosenQueues() ? [] : windowsOf(picture.all_queues));
}

function updateDayTiles(numbers, timeWindows) {
  const level = numbers.service_level_percent;
  setText(serviceLevelTile.number, level == null ? UNKNOWN : String(Math.round(level)));
  setText(serviceLevelTile.note, level == null ? '' : '%');
  draw(serviceLevelTile.line, percentLine(timeWindows.map((timeWindow) => timeWindow.service_level_percent)));
  const percent = abandonedPercent(numbers);
  setNumber(abandonedTile.number, formatCount(numbers.abandoned));
  setText(abandonedTile.note, percent == null ? '' : formatPercent(percent));
  draw(abandonedTile.area, bars(timeWindows.map((timeWindow) => timeWindow.abandoned)));
}

function tickTiles() {
  const longest = longestWaitSecs();
  setText(liveTiles[0].tile.note, longest == null ? '' : texts.longestWait(formatDuration(longest)));
}
