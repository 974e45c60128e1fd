// The table of queues: a row each, sorted, filtered; on a wall as many rows as there is room for.

/** By queue id: { id, queue, tr, name, cells by column name }. */
const queueRows = new Map();

/** On a desk rows that are sorted by a number change places no more often than this. */
const SORT_PAUSE_MS = 5000;

let order = { column: 'name', direction: 1 };
let sortedAt = -Infinity;

/** The last row on a wall with too many queues: how many are not shown, and how many wait there. */
const restRow = tablePart('tr', 'row');
const restCell = tablePart('th', 'cell');
restCell.colSpan = columns.length;
restRow.append(restCell);

function makeQueueHead() {
  for (const column of columns) {
    const th = tablePart('th', 'columnheader');
    th.dataset.column = column.name;
    if (column.sortKey && !view.kiosk) {
      const button = element('button', '', column.label);
      button.type = 'button';
      button.onclick = () => {
        const isSame = order.column === column.name;
        order = { column: column.name, direction: isSame ? -order.direction : 1 };
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
  const name = tablePart('th', 'rowheader');
  const made = { id, tr, name, cells: {} };
  for (const column of columns) {
    if (column.name === 'name') {
      tr.append(name);
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
  let isMoved = false;
  for (const id of changed) {
    const queue = row('queues', id);
    let shown = queueRows.get(id);
    if (!queue) {
      shown?.tr.remove();
      isMoved = queueRows.delete(id) || isMoved;
      continue;
    }
    shown ??= makeQueueRow(id);
    shown.queue = queue;
    rememberKnown(queue);
    const name = queue.name ?? id.slice(0, 8);
    if (shown.name.textContent !== name) {
      shown.name.textContent = name;
      shown.name.title = queue.name ?? id;
      isMoved = true;
    }
    for (const column of columns) column.show?.(queue, shown.cells[column.name]);
  }
  if (isMoved) sortQueues();
  else if (performance.now() - sortedAt >= SORT_PAUSE_MS && (view.kiosk || order.column !== 'name')) sortQueues();
  if (changed.size) showKnownColumns();
  setShown(byId('queues'), queueRows.size > 0);
}

/** Goes on with the durations between two pictures. */
function tickQueues() {
  for (const { queue, cells } of queueRows.values()) {
    for (const column of columns) if (column.ticks) column.show(queue, cells[column.name]);
  }
}

/** Seconds that the longest waiting visit of all queues has waited; `undefined` if nobody waits. */
function longestWaitSecs() {
  const waits = [...queueRows.values()].map(({ queue }) => secsSince(queue.longest_wait_since));
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

/** How many rows fit on a wall. */
function roomForRows() {
  const box = byId('queue-rows').closest('.table-box');
  const rem = parseFloat(getComputedStyle(root).fontSize);
  return Math.max(3, Math.floor((box.clientHeight - 40) / (rem * 3.1)));
}

function sortQueues() {
  sortedAt = performance.now();
  const { sortKey } = columns.find((column) => column.name === order.column);
  const byName = (a, b) => ((a.queue.name ?? '') < (b.queue.name ?? '') ? -1 : 1);
  const inOrder = (a, b) => {
    const [x, y] = [sortKey(a.queue), sortKey(b.queue)];
    return (x < y ? -1 : x > y ? 1 : byName(a, b)) * order.direction;
  };
  let shown = [...queueRows.values()];
  let rest = [];
  const room = view.kiosk ? roomForRows() : Infinity;
  if (shown.length > room) {
    // Queues where somebody waits stay in sight.
    const waiting = ({ queue }) => lastKnown(queue, 'waiting') ?? 0;
    shown.sort((a, b) => waiting(b) - waiting(a) || inOrder(a, b));
    rest = shown.splice(room - 1);
    for (const { tr } of rest) tr.remove();
    restCell.textContent = texts.moreQueues(
      rest.length,
      rest.reduce((sum, row) => sum + waiting(row), 0),
    );
  }
  shown.sort(inOrder);
  if (!rest.length) restRow.remove();
  setOrder(byId('queue-rows'), [...shown.map(({ tr }) => tr), ...(rest.length ? [restRow] : [])]);
  root.style.setProperty('--rows', shown.length + (rest.length ? 1 : 0));
  filterQueues();
  for (const th of byId('queue-head').children) {
    if (th.dataset.column === order.column && !view.kiosk) {
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
