// What the page says, in English. Labels of tiles and columns stand with these (tiles.js, columns.js), and what never
// changes stands in page.html.

const texts = {
  unknownStatus: 'unknown',

  // The state beside the dot.
  live: 'Live',
  connecting: 'Connecting',
  reconnecting: 'Reconnecting',
  stopped: 'Stopped',
  silent: 'Silent',
  degraded: (why) => `Degraded: ${why}`,
  noAnswer: 'No answer',

  // The banner.
  pageIsCutOff: (since) =>
    `This page lost its connection to genesys-stream at ${since}. It tries again by itself; the numbers are from before.`,
  programStopped: (cause, asOf) =>
    `genesys-stream has stopped${inBrackets(cause)}. These are its last numbers, from ${asOf}.`,
  noStream: (since, cause) =>
    `No stream from Genesys since ${since}${inBrackets(cause)}. ` +
    'genesys-stream connects by itself; the numbers may be out of date.',
  nothingYet: 'Connected, but nothing has come from Genesys yet.',
  nothingSince: (since) => `Nothing has come from Genesys since ${since}.`,
  notCovered: (since, cause) => `Not all is covered since ${since} (${cause}).`,
  liveAgain: (since) => `Live again since ${since}.`,

  // The header.
  age: (age) => `data ${age} old`,
  longestWait: (duration) => `longest ${duration}`,
  title: (waiting) => `${waiting} waiting · genesys-stream`,
  titleNotLive: 'not live · genesys-stream',
  titleWithoutWaiting: 'genesys-stream',

  // The table of queues.
  totalsSince: (since) => `Service level and abandoned since ${since} · hatched: not fully covered`,
  midnight: 'midnight',
  ofTarget: (percent) => ` of ${percent} %`,
  countedByGenesys: (count) => ` Genesys: ${count}`,
  differsSince: (since) => `differs from Genesys' own number since ${since}`,
  onQueue: (count) => ` ${count} on queue`,
  busy: (count) => ` ${count} busy`,
  notResponding: (count) => ` · ${count} not responding`,
  offQueue: (count) => ` · ${count} off`,
  chart: (answered, abandoned, most, uncovered) =>
    `${answered} answered, ${abandoned} abandoned, at most ${most} in a window` +
    (uncovered ? `; ${uncovered} windows not fully covered` : ''),
  moreQueues: (queues, waiting) => `${queues} more queues, ${waiting} waiting there`,

  // The footer.
  facts: ({ version, protocol, connections, reconnects, gaps, unrepaired, dropped, refused }) =>
    [
      `genesys-stream ${version}`,
      protocol,
      `${connections} connection${connections === 1 ? '' : 's'}`,
      `${reconnects} reconnects`,
      `${gaps} gaps${unrepaired ? `, ${unrepaired} not repaired` : ''}`,
      dropped ? `${dropped} events dropped` : '',
      refused ? `${refused} topics refused` : '',
    ]
      .filter(Boolean)
      .join(' · '),
};

function inBrackets(text) {
  return text ? ` (${text})` : '';
}
