// The table of queues: a row each, of the chosen queues, in the chosen order; on a wall one page after the other.

/** By queue id: { id, queue, tr, name, cells by column name }. */
const queueRows = new Map();

/** On a wall with more queues than fit, each page is shown for this long. */
const PAGE_SECS = 15;
/** Heights of a row on a wall, in rem: the usual one, and the least. */
const ROW_REM = 3.1;
const COMPACT_ROW_REM = 1.36;

const collator = new Intl.Collator(locale, { numeric: true });

const paging = { page: 0, pages: 1, turnedAt: 0 };

/** What the rows are sorted by; `undefined` for the order by need. `-` before a column's name: the greatest first. */
function chosenOrder() {
  const sort = choice('sort') ?? '';
  const column = columns.find(({ name, sortKey }) => sortKey && name === sort.replace('-', ''));
  return column && { column, direction: sort.startsWith('-') ? -1 : 1 };
}

/** The first click on a head shows what matters on top, the second turns it, the third is the order by need again. */
function nextOrder({ name, isAscendingFirst }) {
  const [first, second] = isAscendingFirst ? [name, `-${name}`] : [`-${name}`, name];
  return choice('sort') === first ? second : choice('sort') === second ? '' : first;
}

function makeQueueHead() {
  for (const column of columns) {
    const th = tablePart('th', 'columnheader');
    th.dataset.column = column.name;
    if (column.sortKey && !view.kiosk) {
      const button = element('button', '', column.label);
      button.type = 'button';
      button.onclick = () => {
        choose('sort', nextOrder(column));
        sortQueues();
      };
      th.append(button);
    } else {
      th.textContent = column.label;
    }
    byId('queue-head').append(th);
  }
}

function makeQueueRow(id) {
  const tr = tablePart('tr', 'row');
  const th = tablePart('th', 'rowheader');
  const made = { id, tr, name: element('span', 'name'), cells: {} };
  made.name.dir = 'auto';
  th.append(made.name);
  for (const column of columns) {
    if (column.name === 'name') {
      tr.append(th);
    } else {
      made.cells[column.name] = makeCell(column);
      tr.append(made.cells[column.name].td);
    }
  }
  queueRows.set(id, made);
  return made;
}

function makeCell(column) {
  const td = tablePart('td', 'cell');
  td.dataset.column = column.name;
  const label = element('span', 'cell-label', column.label);
  label.setAttribute('aria-hidden', 'true');
  td.append(label);
  const cell = { td };
  if (column.hasChart) {
    cell.chart = drawing(WINDOWS_WIDTH, WINDOWS_HEIGHT);
    cell.shapes = ['uncovered', 'answered', 'abandoned'].map((name) => shape(cell.chart, name));
    td.append(cell.chart);
  } else {
    cell.number = element('b');
    cell.note = element('small');
    td.append(cell.number, cell.note);
  }
  if (column.meter) {
    const meter = drawing(100, 4, 'meter');
    cell.shapes = column.meter.map((name) => shape(meter, name));
    td.append(meter);
  }
  return cell;
}

/** Shows the rows of the queues that may have changed. */
function updateQueues(changed) {
  for (const id of changed) {
    const queue = row('queues', id);
    let shown = queueRows.get(id);
    if (!queue) {
      shown?.tr.remove();
      queueRows.delete(id);
      continue;
    }
    shown ??= makeQueueRow(id);
    shown.queue = queue;
    rememberKnown(queue);
    setText(shown.name, queue.name ?? id.slice(0, 8));
    shown.name.title = queue.name ?? id;
    for (const column of columns) column.show?.(queue, shown.cells[column.name]);
    showAlerts(shown);
  }
  updateAlertCounts();
  sortQueues();
  if (changed.size) showKnownColumns();
  setShown(byId('queues'), queueRows.size > 0);
}

/** Goes on with the durations between two pictures, and turns the pages of a wall. */
function tickQueues() {
  for (const { queue, cells } of queueRows.values()) {
    for (const column of columns) if (column.ticks) column.show(queue, cells[column.name]);
  }
  const secs = Math.max(2, Number(choice('page_secs')) || PAGE_SECS);
  if (paging.pages > 1 && performance.now() - paging.turnedAt >= secs * 1000 - 100) {
    paging.page += 1;
    paging.turnedAt = performance.now();
    sortQueues();
  }
}

/** The rows of the chosen queues. */
function chosenRows() {
  const chosen = chosenQueues();
  return [...queueRows.values()].filter(({ id, queue }) => isChosen(id, queue, chosen));
}

/** Seconds that the longest waiting visit of the chosen queues has waited; `undefined` if nobody waits. */
function longestWaitSecs() {
  const waits = chosenRows().map(({ queue }) => secsSince(queue.longest_wait_since));
  return waits.reduce((longest, secs) => (secs > (longest ?? -Infinity) ? secs : longest), undefined);
}

function showKnownColumns() {
  const queues = [...queueRows.values()].map(({ queue }) => queue);
  for (const column of columns) {
    if (!column.isKnown) continue;
    const isKnown = queues.some(column.isKnown);
    setShown(byId('queue-head').querySelector(`[data-column="${column.name}"]`), isKnown);
    for (const { cells } of queueRows.values()) setShown(cells[column.name].td, isKnown);
  }
  setShown(byId('filter'), queueRows.size > 8);
}

/** How many rows fit on a wall; many rows are compact. */
function roomForRows(rows) {
  const room = (rem) => {
    const box = byId('queue-rows').closest('.table-box');
    const head = byId('queue-head').offsetHeight;
    const px = parseFloat(getComputedStyle(root).fontSize);
    return Math.max(3, Math.floor((box.clientHeight - head) / (px * rem)));
  };
  root.classList.remove('compact');
  const usual = room(ROW_REM);
  if (rows <= usual) return usual;
  root.classList.add('compact');
  return room(COMPACT_ROW_REM);
}

/** What rows are compared by, each with its direction: the chosen column, or need: red alerts, amber ones, the longest wait. */
function sortKeys() {
  const order = chosenOrder();
  if (order) return [[order.column.sortKey, order.direction]];
  return [
    [alertRank, -1],
    [(queue) => toMillis(lastKnown(queue, 'longest_wait_since')), 1],
    [(queue) => lastKnown(queue, 'waiting'), -1],
  ];
}

/** Rows in order; what is unknown comes last, and equal rows stand by name. */
function sorted(rows) {
  const keys = sortKeys();
  const keyed = rows.map((row) => ({ row, values: keys.map(([key]) => key(row.queue)) }));
  const compare = (a, b) => {
    for (const [i, [, direction]] of keys.entries()) {
      const [x, y] = [a.values[i], b.values[i]];
      if (x == null || y == null) {
        if (x != y) return x == null ? 1 : -1;
      } else if (x !== y) {
        const difference = typeof x === 'string' ? collator.compare(x, y) : x - y;
        if (difference) return difference * direction;
      }
    }
    return collator.compare(a.row.queue.name ?? a.row.id, b.row.queue.name ?? b.row.id) || (a.row.id < b.row.id ? -1 : 1);
  };
  return keyed.sort(compare).map(({ row }) => row);
}

/** Puts the rows in order. Called with each picture, so that the order is always that of the numbers shown. */
function sortQueues() {
  const rows = sorted(chosenRows());
  const room = view.kiosk && rows.length ? roomForRows(rows.length) : Infinity;
  // Red queues stay on every page of a wall, so that none is out of sight; half of the room is left for the others.
  const pinned = rows.length > room ? rows.filter(({ queue }) => alertRank(queue) === 2).slice(0, Math.floor(room / 2)) : [];
  const others = rows.filter((row) => !pinned.includes(row));
  const left = room - pinned.length;
  paging.pages = Math.max(1, Math.ceil(others.length / left));
  paging.page %= paging.pages;
  // The last page is full as well.
  const first = paging.page ? Math.min(paging.page * left, others.length - left) : 0;
  const shown = [...pinned, ...others.slice(first, first + left)];
  const elements = new Set(shown.map(({ tr }) => tr));
  for (const tr of [...byId('queue-rows').children]) if (!elements.has(tr)) tr.remove();
  setOrder(byId('queue-rows'), [...elements]);
  root.style.setProperty('--rows', shown.length);
  const lengths = shown.flatMap(({ cells }) => Object.values(cells).map(({ number, td }) => {
    // An alert's symbol takes the room of two digits.
    const isAlert = td.classList.contains('red') || td.classList.contains('amber');
    return (number?.textContent.length ?? 0) + (isAlert ? 2 : 0);
  }));
  byId('queue-table').style.setProperty('--chars', Math.max(1, ...lengths));
  setText(byId('pages'), paging.pages > 1 ? texts.pageOf(paging.page + 1, paging.pages) : '');
  setText(byId('chosen'), chosenQueues() ? texts.someQueues(rows.length, queueRows.size) : '');
  const unknown = queueRows.size ? unknownChoices([...queueRows.values()]) : [];
  setText(byId('missing'), unknown.length ? texts.noSuchQueue(unknown.join(', '), rows.length, queueRows.size) : '');
  filterQueues();
  const order = chosenOrder();
  for (const th of byId('queue-head').children) {
    if (order && th.dataset.column === order.column.name && !view.kiosk) {
      th.setAttribute('aria-sort', order.direction > 0 ? 'ascending' : 'descending');
    } else {
      th.removeAttribute('aria-sort');
    }
  }
}

/** Hides the queues whose names do not contain what was typed. */
function filterQueues() {
  const wanted = byId('filter').value.trim().toLowerCase();
  for (const { id, queue, tr } of queueRows.values()) {
    setShown(tr, (queue.name ?? id).toLowerCase().includes(wanted));
  }
}
