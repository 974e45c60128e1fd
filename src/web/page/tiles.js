// The tiles: the numbers of all queues together, each with a small drawing.

/** The totals of the last pictures for the drawings, `null` while they were not known to be true. */
const totalsHistory = [];

const HISTORY_LENGTH = 300;

/** Tiles of what is true now, by the names of the snapshot's `totals`. */
const liveTiles = [
  { field: 'waiting', tile: makeTile('Waiting') },
  { field: 'interacting', tile: makeTile('Interacting') },
  { field: 'after_call_work', tile: makeTile('After-call work') },
  { field: 'active_conversations', tile: makeTile('Conversations') },
];

const serviceLevelTile = makeTile('Service level');
const abandonedTile = makeTile('Abandoned', 'abandoned');

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

function rememberTotals() {
  totalsHistory.push(health.stale ? null : { ...picture.totals });
  if (totalsHistory.length > HISTORY_LENGTH) totalsHistory.shift();
}

function updateTiles() {
  const totals = picture.totals ?? {};
  for (const { field, tile } of liveTiles) {
    setText(tile.number, formatCount(totals[field]));
    // A tile stays while no queue is known.
    setShown(tile.box, totals[field] != null || picture.all_queues != null);
    if (totalsHistory.length > 1) {
      const { line, area } = sparkline(totalsHistory.map((totals) => totals?.[field]));
      draw(tile.line, line);
      draw(tile.area, area);
    }
  }
  setShown(byId('tiles').parentNode, Object.keys(totals).length > 0);
  const numbers = picture.all_queues?.totals;
  setShown(serviceLevelTile.box, numbers != null);
  setShown(abandonedTile.box, numbers != null);
  if (numbers) updateDayTiles(numbers, windowsOf(picture.all_queues));
}

function updateDayTiles(numbers, timeWindows) {
  const level = numbers.service_level_percent;
  setText(serviceLevelTile.number, level == null ? UNKNOWN : String(Math.round(level)));
  setText(serviceLevelTile.note, level == null ? '' : '%');
  draw(serviceLevelTile.line, percentLine(timeWindows.map((timeWindow) => timeWindow.service_level_percent)));
  const percent = abandonedPercent(numbers);
  setText(abandonedTile.number, formatCount(numbers.abandoned));
  setText(abandonedTile.note, percent == null ? '' : formatPercent(percent));
  draw(abandonedTile.area, bars(timeWindows.map((timeWindow) => timeWindow.abandoned)));
}

function tickTiles() {
  const longest = longestWaitSecs();
  setText(liveTiles[0].tile.note, longest == null ? '' : texts.longestWait(formatDuration(longest)));
}
