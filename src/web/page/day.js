// The chart of the day, of one queue or of all shown: who waited and what became of the visits, by window.

/** The windows are asked for so often; a new one is complete once a minute at most. */
const DAY_EVERY_MS = 60_000;
/** Windows are joined until no more than so many are left: the chart has room for these. */
const DAY_VALUES = 240;
/** So many have room even if there are fewer. */
const DAY_LEAST = 30;
const DAY_WIDTH = 1000;
const DAY_HEIGHT = 120;

const DAY_COUNTS = ['offered', 'answered', 'abandoned'];

const NO_WINDOWS = { windows: [], quarters: [] };
const QUARTER_MS = 900_000;

/** Of the queues that are shown, and of the queue in the chart if that is another; oldest first. */
const day = { askedAt: -Infinity, asked: '', all: NO_WINDOWS, chart: NO_WINDOWS };

const dayShapes = Object.fromEntries(
  [['waiting', ['uncovered', 'waiting-max', 'line']], ['visits', ['uncovered', 'answered', 'abandoned', 'offered']]].map(([name, classes]) => {
    const chart = drawing(DAY_WIDTH, DAY_HEIGHT);
    byId(`day-${name}`).prepend(chart);
    return [name, { chart, shapes: classes.map((className) => shape(chart, className)) }];
  }),
);

/** The id of the queue in the chart; `undefined` for all that are shown. */
function chartQueue() {
  const wanted = (choice('chart') ?? '').toLowerCase();
  return wanted ? chosenRows().find(({ id, queue }) => id.toLowerCase() === wanted || (queue.name ?? '').trim().toLowerCase() === wanted)?.id : undefined;
}

/** Asks for the windows if it is time, or if others are wanted. */
async function askForDay() {
  if (!picture.all_queues) return;
  const shown = chosenQueues() ? chosenRows().map(({ id }) => id) : [];
  const one = chartQueue();
  const asked = JSON.stringify([shown, one]);
  if (asked === day.asked && performance.now() - day.askedAt < DAY_EVERY_MS) return;
  // Until the answer is there, and if there is none, nothing is shown under another name.
  if (asked !== day.asked) Object.assign(day, { all: NO_WINDOWS, chart: NO_WINDOWS });
  [day.asked, day.askedAt] = [asked, performance.now()];
  const read = async (ids) => {
    const query = ids.map((id) => `queue=${encodeURIComponent(id)}`).join('&');
    const response = await fetch(`/api/page/day?${query}`);
    if (!response.ok) throw new Error(String(response.status));
    const { windows, quarters } = await response.json();
    const list = (parts) => Object.keys(parts).sort().map((start) => ({ start: toMillis(start), ...parts[start] }));
    return { windows: list(windows), quarters: list(quarters) };
  };
  try {
    // No queue of those that were asked for is there.
    const all = chosenQueues() && !shown.length ? NO_WINDOWS : await read(shown);
    const chart = one == null ? all : await read([one]);
    // Another question came in the meantime.
    if (day.asked === asked) Object.assign(day, { all, chart });
  } catch {
    // As before; the next try is due in a minute.
  }
  showDay();
  updateTiles();
}

/** The queues to choose from, in the order of their names. */
function showDayQueues() {
  const select = byId('day-queue');
  const rows = chosenRows().sort((a, b) => collator.compare(a.queue.name ?? a.id, b.queue.name ?? b.id));
  const wanted = [['', texts.allShown], ...rows.map(({ id, queue }) => [id, queue.name ?? id])];
  if (JSON.stringify(wanted) !== select.dataset.shown) {
    select.dataset.shown = JSON.stringify(wanted);
    select.replaceChildren(...wanted.map(([id, name]) => new Option(name, id)));
  }
  const value = chartQueue() ?? '';
  if (select.value !== value) select.value = value;
}

/** Windows joined by time, `factor` into one. */
function joined(timeWindows, factor, step) {
  const groups = new Map();
  for (const timeWindow of timeWindows) {
    const start = Math.floor(timeWindow.start / (step * factor)) * step * factor;
    groups.set(start, [...(groups.get(start) ?? []), timeWindow]);
  }
  return [...groups].map(([start, group]) => joinedWindow(start, group));
}

function joinedWindow(start, group) {
  const known = (field) => group.map((timeWindow) => timeWindow[field]).filter((value) => value != null);
  const mean = (field) => (known(field).length ? known(field).reduce((sum, value) => sum + value, 0) / known(field).length : undefined);
  const greatest = (field) => (known(field).length ? Math.max(...known(field)) : undefined);
  return {
    start,
    ...Object.fromEntries(DAY_COUNTS.map((field) => [field, known(field).length ? known(field).reduce((sum, value) => sum + value, 0) : undefined])),
    coverage_percent: known('coverage_percent').length ? Math.min(...known('coverage_percent')) : undefined,
    waiting_max: greatest('waiting_max'),
    waiting_mean: mean('waiting_mean'),
    longest_wait_max: greatest('longest_wait_max'),
  };
}

function stepOf(timeWindows) {
  const steps = timeWindows.slice(1).map((timeWindow, i) => timeWindow.start - timeWindows[i].start);
  return steps.length ? Math.min(...steps) : 60_000;
}

/** What the chart shows, and how long each part is: quarters of an hour where they reach back further than the windows, with the counts of those that windows fill. */
function partsOf({ windows, quarters }) {
  const step = stepOf(windows);
  if (!quarters.length || !windows.length || windows[0].start < quarters[0].start + QUARTER_MS || QUARTER_MS % step) return { parts: windows, step };
  const counted = new Map(joined(windows, QUARTER_MS / step, step).filter(({ start }) => start >= windows[0].start).map((part) => [part.start, part]));
  const parts = quarters.map((quarter) => {
    const { offered, answered, abandoned, coverage_percent } = counted.get(quarter.start) ?? {};
    return { ...quarter, offered, answered, abandoned, coverage_percent };
  });
  return { parts, step: QUARTER_MS };
}

/** Draws the chart; its words and its table say the same. */
function showDay() {
  const { parts, step } = partsOf(day.chart);
  setShown(byId('day'), parts.length > 0 && !view.kiosk);
  if (!parts.length || view.kiosk) return;
  showDayQueues();
  showDayTotals();
  const factor = Math.ceil(parts.length / DAY_VALUES);
  const values = joined(parts, factor, step);
  const width = step * factor;
  const to = values.at(-1).start + width;
  // A few windows stand at the right, as in the other charts.
  const from = Math.min(values[0].start, to - DAY_LEAST * width);
  const x = (at) => ((at - from) * DAY_WIDTH) / (to - from);
  const most = (field) => Math.max(0, ...values.map((value) => value[field] ?? 0));
  const waitingMost = Math.max(1, most('waiting_max'), most('waiting_mean'));
  const visitsMost = Math.max(1, most('offered'), ...values.map((value) => (value.answered ?? 0) + (value.abandoned ?? 0)));
  const y = (value, greatest) => (DAY_HEIGHT - (value * (DAY_HEIGHT - 4)) / greatest).toFixed(1);
  const uncovered = values.filter((value) => value.coverage_percent < 99.5).map(({ start }) => `M${x(start).toFixed(1)} 0H${x(start + width).toFixed(1)}V${DAY_HEIGHT}H${x(start).toFixed(1)}Z`).join('');
  const bar = (start, low, high) => `M${x(start).toFixed(1)} ${low}H${(x(start + width) - 0.6).toFixed(1)}V${high}H${x(start).toFixed(1)}Z`;
  const bars = (read) => values.filter(read).map((value) => bar(value.start, ...read(value))).join('');
  const steps = (field, greatest) => values.map((value, i) => {
    if (value[field] == null) return '';
    const isJoined = values[i - 1]?.[field] != null && values[i - 1].start + width === value.start;
    return `${isJoined ? 'L' : 'M'}${x(value.start).toFixed(1)} ${y(value[field], greatest)}H${x(value.start + width).toFixed(1)}`;
  }).join('');
  const { waiting, visits } = dayShapes;
  draw(waiting.shapes[0], uncovered);
  draw(waiting.shapes[1], bars((value) => value.waiting_max && [DAY_HEIGHT, y(value.waiting_max, waitingMost)]));
  draw(waiting.shapes[2], steps('waiting_mean', waitingMost));
  draw(visits.shapes[0], uncovered);
  draw(visits.shapes[1], bars((value) => value.answered && [DAY_HEIGHT, y(value.answered, visitsMost)]));
  draw(visits.shapes[2], bars((value) => value.abandoned && [y(value.answered, visitsMost), y(value.answered + value.abandoned, visitsMost)]));
  draw(visits.shapes[3], steps('offered', visitsMost));
  const isWaitingKnown = values.some((value) => value.waiting_mean != null);
  for (const part of [byId('day-waiting'), byId('day-waiting').previousElementSibling]) setShown(part, isWaitingKnown);
  setText(byId('day-waiting-most'), formatCount(waitingMost));
  setText(byId('day-visits-most'), formatCount(visitsMost));
  setText(byId('day-from'), formatMinute(from));
  setText(byId('day-to'), formatMinute(to));
  const peak = isWaitingKnown && values.find((value) => (value.waiting_max ?? value.waiting_mean) === waitingMost);
  const sums = joinedWindow(from, values);
  setDescription(waiting.chart, texts.dayWaiting(formatMinute(from), formatMinute(to), peak && formatCount(waitingMost), peak && formatMinute(peak.start)));
  setDescription(visits.chart, texts.dayVisits(formatCount(sums.offered), formatCount(sums.answered), formatCount(sums.abandoned)));
  if (byId('day-hours').open) showHours(parts, step);
}

/** The counts since midnight or the start of the program; they change with each picture. */
function showDayTotals() {
  const one = chartQueue();
  const numbers = one == null ? countedTotals() : row('queues', one)?.totals;
  setText(byId('day-facts'), numbers ? texts.dayTotals(formatCount(numbers.offered), formatCount(numbers.answered), formatCount(numbers.abandoned), formatPercent(numbers.service_level_percent)) : '');
}

/** The table of hours, for those who cannot see the chart and for those who want to know exactly. */
function showHours(parts, step) {
  const hours = joined(parts, Math.max(1, Math.round(3_600_000 / step)), step).reverse();
  const cells = (hour) => [
    formatMinute(hour.start),
    formatCount(hour.waiting_max),
    formatTenth(hour.waiting_mean),
    formatDuration(hour.longest_wait_max),
    ...DAY_COUNTS.map((field) => formatCount(hour[field])),
  ];
  const labels = [texts.from, texts.waitingMost, texts.waitingMean, texts.longest, texts.offered, texts.answered, texts.abandoned];
  if (!byId('hour-head').children.length) byId('hour-head').append(...labels.map((label) => tablePart('th', 'columnheader', label)));
  const rows = [...byId('hour-rows').children];
  hours.forEach((hour, i) => {
    const tr = rows[i] ?? tablePart('tr', 'row');
    if (!rows[i]) {
      tr.append(...labels.map((label, i) => {
        const td = i ? tablePart('td', 'cell') : tablePart('th', 'rowheader');
        const labelled = element('span', 'cell-label', label);
        labelled.setAttribute('aria-hidden', 'true');
        td.append(labelled, element('span'));
        return td;
      }));
      byId('hour-rows').append(tr);
    }
    cells(hour).forEach((text, i) => setText(tr.children[i].lastChild, text));
  });
  rows.slice(hours.length).forEach((tr) => tr.remove());
}

/** The sum over the shown queues, by the minutes of the small charts, if windows are minutes; `undefined` where it is not known. */
function dayValues(field) {
  const { windows } = day.all;
  const step = 60_000;
  if (stepOf(windows) !== step) return [];
  const byStart = new Map(windows.map((timeWindow) => [timeWindow.start, timeWindow[field]]));
  const last = windows.at(-1)?.start ?? 0;
  return Array.from({ length: CHART_VALUES - 1 }, (_, i) => byStart.get(last - (CHART_VALUES - 2 - i) * step));
}

byId('day-queue').oninput = ({ target }) => {
  choose('chart', target.value);
  askForDay();
};
byId('day-hours').ontoggle = showDay;
