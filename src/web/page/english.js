// What the page says, in English. A text that another language lacks is taken from here.

const english = {
  // What never changes; page.html names these by `data-text` and `data-label`.
  skip: 'Skip to the queues',
  heading: 'Contact centre',
  allQueues: 'All queues now',
  queues: 'Queues',
  findQueue: 'Find a queue',
  eachQueue: 'Each queue now, and its last hour',
  agents: 'Agents',
  metrics: 'Metrics',
  lastValues: 'Last values',
  metric: 'Metric',
  value: 'Value',
  from: 'From',
  forMachines: 'For machines',
  wallScreen: 'wall screen',

  // The panel.
  view: 'View',
  title: 'Title',
  order: 'Order',
  byNeed: 'by need',
  theme: 'Theme',
  fromSystem: 'as the system',
  light: 'light',
  dark: 'dark',
  language: 'Language',
  fromBrowser: 'as the browser',
  pageSecs: 'Seconds for each page (wall screen)',
  showAgents: 'Show agents',
  limits: 'Limits of time in status (status:amber:red, seconds)',
  sound: 'Sound when an alert begins',
  queuesShown: 'Queues (none chosen: all)',
  reset: 'Reset',
  close: 'Close',

  // Tiles and columns.
  queue: 'Queue',
  waiting: 'Waiting',
  longest: 'Longest wait',
  interacting: 'Interacting',
  afterCall: 'After-call',
  afterCallWork: 'After-call work',
  conversations: 'Conversations',
  averageWait: 'Average wait',
  serviceLevel: 'Service level',
  abandoned: 'Abandoned',
  idleAgents: 'Idle agents',
  lastHour: 'Last hour',

  /** Routing statuses by Genesys' names; others are shown as Genesys writes them. */
  statuses: { __proto__: null },
  unknownStatus: 'unknown',

  // The state beside the dot.
  live: 'Live',
  connecting: 'Connecting',
  reconnecting: 'Reconnecting',
  stopped: 'Stopped',
  silent: 'Silent',
  degraded: 'Degraded',
  noAnswer: 'No answer',
  replayOf: (when) => `Replay of ${when}`,
  simulated: 'Simulated',

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
  unknownQueues: (unknown, all, why) =>
    unknown === all ? `No queue is known now: ${why}.` : `${unknown} of ${all} queues not known now: ${why}. Totals are those of the others.`,
  liveAgain: (since) => `Live again since ${since}.`,

  // The header.
  age: (age) => `data ${age} old`,
  longestWait: (duration) => `longest ${duration}`,
  pageOf: (page, pages) => `page ${page} of ${pages}`,
  alertsNow: (red, amber) => [red && `${red} red`, amber && `${amber} amber`].filter(Boolean).join(' · '),
  windowTitle: (waiting, title) => `${waiting} waiting · ${title}`,
  windowTitleNotLive: (title) => `not live · ${title}`,

  // The table of queues.
  /** Why a queue is unknown, by the snapshot's words. */
  whyUnknown: { __proto__: null },
  noSuchQueue: (names, shown, all) =>
    `No queue has the name or id ${names}. ` +
    (shown ? '' : `Nothing is shown of ${count(all, 'queue')}. `) + 'Choose from the list under “View”; “Reset” there shows all.',
  red: 'Red',
  amber: 'Amber',
  alert: (level, value, since) => `${level} at ${value} since ${since}`,
  totalsSince: (since) => `Service level and abandoned since ${since} · hatched: not fully covered`,
  midnight: 'midnight',
  someQueues: (shown, all) => `${shown} of ${count(all, 'queue')}`,
  ofTarget: (percent) => ` of ${percent} %`,
  countedByGenesys: (count) => ` Genesys: ${count}`,
  differsSince: (since) => `differs from Genesys' own number since ${since}`,
  onQueue: (count) => ` ${count} on queue`,
  busy: (count) => ` ${count} busy`,
  notResponding: (count) => ` · ${count} not responding`,
  offQueue: (count) => ` · ${count} off`,
  chart: (answered, abandoned, most, uncovered) =>
    `${answered} answered, ${abandoned} abandoned, at most ${most} in a window` +
    (uncovered ? `; ${count(uncovered, 'window')} not fully covered` : ''),

  // Agents.
  findAgent: 'Find an agent',
  eachAgent: 'Each agent, with the time in the status',
  agent: 'Agent',
  status: 'Status',
  presence: 'Presence',
  timeInStatus: 'Time in status',
  allStatuses: 'All statuses',
  allQueues: 'All queues',
  hideAgents: 'Hide agents',
  moreAgents: (more) => `${formatCount(more)} more: search, or choose a queue or a status.`,
  noAgents: 'No agent matches.',
  noLimit: (parts) => `Not a limit: ${parts}. Write status:seconds or status:amber:red, such as NOT_RESPONDING:30:60.`,
  beyondLimits: (agents) => `${formatCount(agents)} beyond a limit`,

  // The chart of the day.
  day: 'The day',
  allShown: 'All queues shown',
  visits: 'Visits',
  offered: 'Offered',
  answered: 'Answered',
  waitingMost: 'at most',
  waitingMean: 'on average',
  byHour: 'By hour, as a table',
  dayTotals: (offered, answered, abandoned, level) =>
    `${offered} offered · ${answered} answered · ${abandoned} abandoned · service level ${level}`,
  dayWaiting: (from, to, most, at) => `Waiting from ${from} to ${to}` + (most ? `, at most ${most} at ${at}` : ''),
  dayVisits: (offered, answered, abandoned) => `In this time ${offered} offered, ${answered} answered, ${abandoned} abandoned`,

  // The last changes.
  lastChanges: 'Last changes',
  kind: 'Kind',
  allChanges: 'All',
  alertsOnly: 'Alerts',
  streamOnly: 'Stream and gaps',
  when: 'When',
  what: 'What',
  howLong: 'How long',
  noChanges: 'Nothing of this kind.',
  started: 'Program started',
  interruption: (cause) => `No stream from Genesys${cause ? `: ${cause}` : ''}`,
  changeStopped: (cause) => `Program stopped${inBrackets(cause)}`,
  attempts: (attempts) => ` · ${attempts} attempts`,
  gapOf: (topics) => (topics == null ? 'Gap of all topics' : `Gap of ${count(topics, 'topic')}`),
  alertOf: (queue, what, level, value) => `${queue}: ${what} ${level.toLowerCase()} at ${value}`,
  lasts: (duration) => `${duration}, goes on`,
  repaired: 'repaired',
  notRepaired: 'not repaired',

  // The footer.
  facts: ({ version, protocol, connections, reconnects, gaps, unrepaired, dropped, refused }) => [
    `genesys-stream ${version}`,
    protocol,
    count(connections, 'connection'),
    count(reconnects, 'reconnect'),
    count(gaps, 'gap') + (unrepaired ? `, ${unrepaired} not repaired` : ''),
    dropped ? `${count(dropped, 'event')} dropped` : '',
    refused ? `${count(refused, 'topic')} refused` : '',
  ],
};
