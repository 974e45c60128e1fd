// The table of last values (protocol `metrics`).

/** By key, `<metric type>.<metric>`: { tr, value, time }. */
const metricRows = new Map();

function makeMetricRow(key) {
  const made = { tr: tablePart('tr', 'row'), value: element('b'), time: tablePart('td', 'cell') };
  const td = tablePart('td', 'cell');
  td.append(made.value);
  made.tr.append(tablePart('th', 'rowheader', key), td, made.time);
  metricRows.set(key, made);
  return made;
}

function updateMetrics(changed) {
  for (const key of changed) {
    const metric = row('metrics', key);
    if (!metric) {
      metricRows.get(key)?.tr.remove();
      metricRows.delete(key);
      continue;
    }
    const shown = metricRows.get(key) ?? makeMetricRow(key);
    setText(shown.value, formatCount(metric.value));
    setText(shown.time, metric.timestamp == null ? '' : formatTime(metric.timestamp));
  }
  const keys = [...metricRows.keys()].sort();
  setOrder(byId('metric-rows'), keys.map((key) => metricRows.get(key).tr));
  for (const [key, { tr }] of metricRows) {
    const type = key.split('.')[0];
    tr.classList.toggle('stale', picture.freshness?.[type]?.stale === true);
  }
  setShown(byId('metrics'), metricRows.size > 0);
}
