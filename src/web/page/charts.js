// Paths of the drawings. Each chart has room for a fixed number of values; fewer stand at its right edge.

/** How many values a chart has room for. */
const CHART_VALUES = 60;

/** A line and the area beneath it, 100 wide and 30 high. An unknown value interrupts the line. */
function sparkline(values) {
  const greatest = Math.max(4, ...values.map((value) => value ?? 0));
  let line = '';
  let area = '';
  let lastX; // of the stretch that is being drawn
  const close = () => {
    if (lastX != null) area += `L${lastX} 30Z`;
    lastX = undefined;
  };
  values.forEach((value, i) => {
    if (value == null) return close();
    const x = (((i + CHART_VALUES - values.length) * 100) / (CHART_VALUES - 1)).toFixed(2);
    const y = (29 - (value * 27) / greatest).toFixed(2);
    line += `${lastX == null ? 'M' : 'L'}${x} ${y}`;
    area += lastX == null ? `M${x} 30L${x} ${y}` : `L${x} ${y}`;
    lastX = x;
  });
  close();
  return { line, area };
}

/** A line of percentages, 100 wide and 30 high. */
function percentLine(values) {
  return values
    .map((value, i) => {
      if (value == null) return '';
      const isJoined = i > 0 && values[i - 1] != null;
      const x = ((i + CHART_VALUES - values.length) * 100) / (CHART_VALUES - 1);
      return `${isJoined ? 'L' : 'M'}${x.toFixed(1)} ${(29 - value * 0.27).toFixed(1)}`;
    })
    .join('');
}

/** Thin bars, 100 wide and 30 high. */
function bars(values) {
  const greatest = Math.max(3, ...values);
  return values
    .map((value, i) => {
      const x = ((i + CHART_VALUES - values.length) * 100) / CHART_VALUES;
      const height = (value * 28) / greatest;
      return height ? `M${x.toFixed(1)} 30v-${height.toFixed(1)}h1.3V30Z` : '';
    })
    .join('');
}

/** A part of a meter, which is 100 wide and 4 high. */
function meterPart(from, to) {
  return `M${from} 0H${to}V4H${from}Z`;
}

const WINDOW_WIDTH = 10;
const WINDOWS_WIDTH = CHART_VALUES * WINDOW_WIDTH;
const WINDOWS_HEIGHT = 40;

/**
 * Answered and, on top of them, abandoned visits by window; windows that were not fully covered are hatched. Each
 * window stands at the place of its time, because windows may be missing.
 */
function windowChart(timeWindows) {
  const end = timeWindows.at(-1).start;
  const steps = timeWindows.slice(1).map((timeWindow, i) => timeWindow.start - timeWindows[i].start);
  const step = steps.length ? Math.min(...steps) : 60_000;
  const most = Math.max(3, ...timeWindows.map((timeWindow) => timeWindow.answered + timeWindow.abandoned));
  const sum = { answered: 0, abandoned: 0, uncovered: 0 };
  // The base line.
  let uncovered = `M0 39.5H${WINDOWS_WIDTH}V${WINDOWS_HEIGHT}H0Z`;
  let answered = '';
  let abandoned = '';
  for (const timeWindow of timeWindows) {
    const x = WINDOWS_WIDTH - WINDOW_WIDTH - ((end - timeWindow.start) / step) * WINDOW_WIDTH;
    if (x < 0) continue;
    sum.answered += timeWindow.answered;
    sum.abandoned += timeWindow.abandoned;
    if (timeWindow.coverage_percent < 99.5) {
      sum.uncovered += 1;
      uncovered += `M${x} 0H${x + WINDOW_WIDTH}V${WINDOWS_HEIGHT}H${x}Z`;
    }
    const answeredHeight = (timeWindow.answered * 38) / most;
    const abandonedHeight = (timeWindow.abandoned * 38) / most;
    const between = (WINDOWS_HEIGHT - answeredHeight).toFixed(1);
    const top = (WINDOWS_HEIGHT - answeredHeight - abandonedHeight).toFixed(1);
    if (answeredHeight) answered += `M${x + 1} ${WINDOWS_HEIGHT}V${between}H${x + 9}V${WINDOWS_HEIGHT}Z`;
    if (abandonedHeight) abandoned += `M${x + 1} ${between}V${top}H${x + 9}V${between}Z`;
  }
  const description = texts.chart(sum.answered, sum.abandoned, most, sum.uncovered);
  return { uncovered, answered, abandoned, description };
}
