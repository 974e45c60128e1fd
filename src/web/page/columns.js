// The columns of the table of queues. A new number of a queue needs one entry here and nothing else: the server sends
// all numbers of a queue under the names of the snapshot.
//
// A column has
//   name     its `data-column`, by which the style sheets find it
//   label    the text of its head
//   isKnown  whether a queue has something to show; the column is hidden while no queue has
//   show     writes a queue's cell: { td, number, note, shapes, chart }
//   ticks    true if `show` is called each second as well
//   meter    the classes of the shapes of a meter beneath the number
//   hasChart true for a drawing instead of a number
//   sortKey  gives the value by which rows are sorted; nothing for unknown; only columns with it can be sorted by
//   isAscendingFirst  true if the least matters most

/** A number as it is. `field` is its name in the queue, `totals.transferred` for one of the totals. */
function numberColumn({ field, name = field, label, format = formatCount, isDimAtZero = false, isLive = false }) {
  const read = (queue) => field.split('.').reduce((part, name) => part?.[name], queue);
  return {
    name,
    label,
    sortKey: (queue) => (isLive ? lastKnown(queue, field) : read(queue)),
    // The column of a live number stays while it is unknown.
    isKnown: (queue) => read(queue) != null || (isLive && queue.unknown != null),
    show(queue, cell) {
      setText(cell.number, format(read(queue)));
      if (isDimAtZero) setNothing(cell, !read(queue));
      if (isLive) showDoubt(cell, field, queue);
    },
  };
}

/** Beside a live number: why it is unknown, or what Genesys counts where that differs. */
function showDoubt(cell, field, queue) {
  const isFirst = field === 'waiting';
  const counted = queue.observed?.[field];
  const differs = counted != null && counted !== queue[field];
  const why = queue.unknown ?? '';
  // What is missing to a refused topic is in the banner, and here beneath the pointer.
  setText(cell.note, differs ? texts.countedByGenesys(counted) : isFirst && why ? ` ${formatWhy(why)}` : '');
  cell.td.title = differs ? texts.differsSince(formatTime(queue.observed.differs_since)) : formatReason(why);
  cell.td.classList.toggle('doubt', differs || (isFirst && why !== ''));
}

/** The kind of a reason for which a queue is unknown: what stands before the colon. */
function formatWhy(why) {
  const kind = why.split(':')[0];
  return texts.whyUnknown[kind] ?? kind;
}

/** The reason with what the service said, which stays in the service's words. */
function formatReason(why) {
  const details = why.slice(why.split(':')[0].length);
  return why && formatWhy(why) + details;
}

/** The cell of a number that is zero or unknown is less conspicuous than others. */
function setNothing(cell, isNothing) {
  cell.td.classList.toggle('nothing', isNothing);
}

/** What each queue was sorted by when that was known last: a queue that becomes unknown keeps its place. */
const lastKnownKeys = new WeakMap();

function rememberKnown(queue) {
  if (queue.unknown == null) lastKnownKeys.set(queue, { ...queue });
}

function lastKnown(queue, field) {
  return lastKnownKeys.get(queue)?.[field];
}

/** Routing statuses in the order in which they are shown. */
const STATUSES = ['IDLE', 'INTERACTING', 'COMMUNICATING', 'NOT_RESPONDING', 'OFF_QUEUE'];

const columns = [
  {
    name: 'name',
    label: texts.queue,
    isAscendingFirst: true,
    sortKey: (queue) => queue.name,
  },
  numberColumn({
    field: 'waiting',
    label: texts.waiting,
    isDimAtZero: true,
    isLive: true,
  }),
  {
    name: 'longest-wait',
    label: texts.longest,
    isKnown: (queue) => queue.waiting != null || queue.unknown != null,
    sortKey(queue) {
      const since = toMillis(lastKnown(queue, 'longest_wait_since'));
      return since == null ? undefined : -since;
    },
    ticks: true,
    show(queue, cell) {
      const secs = secsSince(queue.longest_wait_since);
      setText(cell.number, formatDuration(secs));
      setNothing(cell, secs == null);
    },
  },
  numberColumn({ field: 'interacting', label: texts.interacting, isLive: true }),
  numberColumn({ field: 'after_call_work', name: 'after-call-work', label: texts.afterCall, isLive: true }),
  numberColumn({ field: 'average_wait_secs', name: 'average-wait', label: texts.averageWait, format: formatDuration }),
  {
    name: 'service-level',
    label: texts.serviceLevel,
    isAscendingFirst: true,
    isKnown: (queue) => queue.totals != null,
    sortKey: (queue) => queue.totals?.service_level_percent,
    meter: ['track', 'reached', 'target'],
    show: showServiceLevel,
  },
  {
    name: 'abandoned',
    label: texts.abandoned,
    isKnown: (queue) => queue.totals != null,
    sortKey: (queue) => queue.totals?.abandoned,
    show(queue, cell) {
      const abandoned = queue.totals?.abandoned;
      setText(cell.number, formatCount(abandoned));
      setText(cell.note, abandoned ? ` ${formatPercent(abandonedPercent(queue.totals))}` : '');
      setNothing(cell, !abandoned);
    },
  },
  {
    name: 'agents',
    label: texts.idleAgents,
    isAscendingFirst: true,
    sortKey: (queue) => queue.agents_by_status?.IDLE,
    isKnown: (queue) => queue.agents_by_status != null,
    meter: STATUSES,
    show: showAgents,
  },
  {
    name: 'chart',
    label: texts.lastHour,
    isKnown: (queue) => queue.totals != null,
    hasChart: true,
    show: showChart,
  },
];

/** Of answered and abandoned visits; `undefined` without any. */
function abandonedPercent(numbers) {
  const ended = numbers.answered + numbers.abandoned;
  return ended ? (numbers.abandoned * 100) / ended : undefined;
}

function showServiceLevel(queue, cell) {
  const level = queue.totals?.service_level_percent;
  const target = queue.service_level_target_percent;
  const isLow = level != null && target != null && level < target;
  // Whole percents on a wall, but a level beneath its target never looks as if it reached it.
  const shown = view.kiosk && level != null ? Math[isLow ? 'floor' : 'round'](level) : level;
  setText(cell.number, (isLow ? '▼ ' : '') + formatPercent(shown));
  setText(cell.note, target == null ? '' : texts.ofTarget(target));
  cell.td.classList.toggle('below-target', isLow);
  const [track, reached, mark] = cell.shapes;
  draw(track, meterPart(0, 100));
  draw(reached, meterPart(0, level ?? 0));
  reached.setAttribute('class', isLow ? 'missed' : 'reached');
  // Higher than the meter itself.
  draw(mark, target == null ? '' : `M${target - 0.6} -1H${target + 0.6}V5H${target - 0.6}Z`);
}

function showAgents(queue, cell) {
  const counts = queue.agents_by_status ?? {};
  const sum = Object.values(counts).reduce((sum, count) => sum + count, 0);
  // Where Genesys sends only how many are on queue, who of them is idle is not known.
  const onlyOnQueue = counts.ON_QUEUE != null;
  setText(cell.number, formatCount(sum && !onlyOnQueue ? counts.IDLE ?? 0 : null));
  let note = '';
  if (onlyOnQueue) {
    note = texts.onQueue(counts.ON_QUEUE);
  } else if (sum) {
    note = texts.busy((counts.INTERACTING ?? 0) + (counts.COMMUNICATING ?? 0));
    note += counts.NOT_RESPONDING ? texts.notResponding(counts.NOT_RESPONDING) : texts.offQueue(counts.OFF_QUEUE ?? 0);
  }
  setText(cell.note, note);
  let from = 0;
  STATUSES.forEach((status, i) => {
    const width = sum ? ((counts[status] ?? 0) * 100) / sum : 0;
    draw(cell.shapes[i], width ? meterPart(from, from + width) : '');
    from += width;
  });
}

function showChart(queue, cell) {
  const timeWindows = windowsOf(queue);
  if (!timeWindows.length) return;
  const [uncovered, answered, abandoned] = cell.shapes;
  const paths = windowChart(timeWindows);
  draw(uncovered, paths.uncovered);
  draw(answered, paths.answered);
  draw(abandoned, paths.abandoned);
  setDescription(cell.chart, paths.description);
}
