// The agents: how many are in each status, and with `agents=1` each of them, with the time in that status and its limits.
// Where queues are chosen, agents who are members of other queues only are left out.

/** At most so many rows are shown; the others are found by search. */
const MOST_AGENTS = 200;
/** The group of agents of all queues, or in all statuses. */
const ALL = '*';
/** The group of agents whose status is not known. */
const NO_STATUS = '-';
/** Beyond a limit, on a wall screen, at most so many are named. */
const MOST_NAMED = 6;

/** By user id: { user, tr, name, alert, status, presence, time }. */
const userItems = new Map();

/** The columns of the table, each with what it is sorted by; `need` is the order without a choice. */
const AGENT_KEYS = {
  __proto__: null,
  name: ({ id, user }) => user.name ?? id,
  status: ({ user }) => formatStatus(user.routing_status),
  presence: ({ user }) => formatStatus(user.presence),
  time: ({ user }) => toMillis(user.since),
};

/** The agents of the chosen queues. */
let agentsInView = [];

let limitsText;
let limitsRead = new Map();
/** Parts of the choice that are no limit. */
let limitsUnread = [];

/** The limits of the choice `limits`, else the program's: by status, `[amber, red]` in seconds; red may be absent. */
function statusLimits() {
  const text = choice('limits') ?? picture.settings?.limits ?? '';
  if (text !== limitsText) {
    limitsText = text;
    limitsRead = new Map();
    limitsUnread = [];
    for (const part of text.split(',').map((part) => part.trim()).filter(Boolean)) {
      const [, status, amber, red] = /^(\w+):(\d+)(?::(\d+))?$/.exec(part) ?? [];
      if (!status) limitsUnread.push(part);
      else limitsRead.set(status.toUpperCase(), [Number(amber), red == null ? Infinity : Number(red)]);
    }
  }
  return limitsRead;
}

/** The level of the time in status: of routing status or presence, the worse one; `undefined` within the limits. */
function levelOf(user) {
  const secs = secsSince(user.since);
  let level;
  for (const status of [user.routing_status, user.presence]) {
    const [amber, red] = statusLimits().get(status) ?? [];
    if (secs >= red) return 'red';
    if (secs >= amber) level = 'amber';
  }
  return level;
}

function makeAgentHead() {
  for (const [name, label] of Object.entries({ name: texts.agent, status: texts.status, presence: texts.presence, time: texts.timeInStatus })) {
    const th = tablePart('th', 'columnheader');
    th.dataset.column = name;
    const button = element('button', '', label);
    button.type = 'button';
    button.onclick = () => {
      const [first, second] = name === 'time' ? ['-time', 'time'] : [name, `-${name}`];
      const now = choice('agent_sort');
      choose('agent_sort', now === first ? second : now === second ? '' : first);
      sortUsers();
    };
    th.append(button);
    byId('agent-head').append(th);
  }
  byId('agent-filter').oninput = sortUsers;
  byId('agent-group').oninput = sortUsers;
  byId('agent-queue').oninput = () => {
    const { value } = byId('agent-queue');
    choose('agent_queue', value === ALL ? '' : value);
    sortUsers();
  };
  byId('agents-open').onclick = () => {
    choose('agents', choice('agents') === '1' ? '' : '1');
    sortUsers();
  };
}

function makeUserItem(id) {
  const made = { id, tr: tablePart('tr', 'row'), name: element('span', 'name'), alert: element('span', 'alert'), time: element('b') };
  made.name.dir = 'auto';
  made.alert.setAttribute('role', 'img');
  const th = tablePart('th', 'rowheader');
  th.append(made.name);
  const cell = (label, ...parts) => {
    const td = tablePart('td', 'cell');
    const labelled = element('span', 'cell-label', label);
    labelled.setAttribute('aria-hidden', 'true');
    td.append(labelled, ...parts);
    return td;
  };
  made.status = element('span', 'status');
  made.presence = element('span');
  made.timeCell = cell(texts.timeInStatus, made.alert, made.time);
  made.tr.append(th, cell(texts.status, made.status), cell(texts.presence, made.presence), made.timeCell);
  userItems.set(id, made);
  return made;
}

function updateUsers(changed) {
  for (const id of changed) {
    const user = row('users', id);
    if (!user) {
      userItems.get(id)?.tr.remove();
      userItems.delete(id);
      continue;
    }
    const item = userItems.get(id) ?? makeUserItem(id);
    item.user = user;
    setText(item.name, user.name ?? id.slice(0, 8));
    item.name.title = user.name ?? id;
    setText(item.status, formatStatus(user.routing_status));
    item.status.className = `status ${STATUSES.includes(user.routing_status) ? user.routing_status : 'OTHER'}`;
    setText(item.presence, formatStatus(user.presence));
  }
  sortUsers();
}

/** The agents of the chosen queues, and those whose queues are not known. */
function agentsOfChosenQueues() {
  const all = [...userItems.values()];
  if (!chosenQueues()) return all;
  const ids = new Set(chosenRows().map(({ id }) => id));
  return all.filter(({ user }) => {
    const queues = Object.keys(user.queues ?? {});
    return !queues.length || queues.some((id) => ids.has(id));
  });
}

/** Replaces the entries of a list, pairs of value and label, where they are others than before. */
function setOptions(select, entries, value) {
  const text = JSON.stringify(entries);
  if (select.dataset.entries !== text) {
    select.dataset.entries = text;
    select.replaceChildren(...entries.map(([value, label]) => new Option(label, value)));
  }
  select.value = entries.some(([known]) => known === value) ? value : ALL;
}

/** The queues whose members are known, to choose from. */
function showAgentQueues() {
  const ids = new Set(agentsInView.flatMap(({ user }) => Object.keys(user.queues ?? {})));
  const chosen = chosenQueues();
  const queues = [...ids].map((id) => ({ id, queue: row('queues', id) ?? {} })).filter(({ id, queue }) => isChosen(id, queue, chosen));
  const entries = queues.map(({ id, queue }) => [id, queue.name ?? id.slice(0, 8)]).sort((a, b) => collator.compare(a[1], b[1]));
  setShown(byId('agent-queue'), entries.length > 0);
  setOptions(byId('agent-queue'), [[ALL, texts.allQueues], ...entries], choice('agent_queue') ?? ALL);
}

/** How many are in each status, and the statuses to choose from. */
function showAgentGroups() {
  const counts = new Map();
  const wordOf = (status) => formatStatus(status === NO_STATUS ? undefined : status);
  for (const { user } of agentsInView) {
    const status = user.routing_status ?? NO_STATUS;
    counts.set(status, (counts.get(status) ?? 0) + 1);
  }
  const rank = (status) => (STATUSES.includes(status) ? STATUSES.indexOf(status) : STATUSES.length);
  const statuses = [...counts.keys()].sort((a, b) => rank(a) - rank(b));
  setText(byId('user-counts'), statuses.map((status) => `${formatCount(counts.get(status))} ${wordOf(status)}`).join(' · '));
  const group = byId('agent-group');
  setOptions(group, [[ALL, texts.allStatuses], ...statuses.map((status) => [status, wordOf(status)])], group.value);
}

/** The agents that match search, queue and status, in order: without a choice, those beyond a limit first, then the longest time. */
function agentsShown() {
  const wanted = byId('agent-filter').value.trim().toLowerCase();
  const group = byId('agent-group').value;
  const ofQueue = byId('agent-queue').value;
  const matches = ({ id, user }) =>
    (user.name ?? id).toLowerCase().includes(wanted) &&
    (ofQueue === ALL || user.queues?.[ofQueue]) &&
    (group === ALL || group === (user.routing_status ?? NO_STATUS));
  const sort = choice('agent_sort') ?? '';
  const key = AGENT_KEYS[sort.replace('-', '')];
  const rank = (item) => ALERT_RANKS[levelOf(item.user)] ?? 0;
  const keyed = agentsInView.filter(matches).map((item) => ({ item, rank: key ? 0 : rank(item), value: (key ?? AGENT_KEYS.time)(item) }));
  // A long time began early, so a greater time is a smaller moment.
  const direction = (sort.startsWith('-') ? -1 : 1) * (key === AGENT_KEYS.time ? -1 : 1);
  keyed.sort((a, b) => {
    if (a.rank !== b.rank) return b.rank - a.rank;
    const [x, y] = [a.value, b.value];
    if (x == null || y == null) return x == y ? 0 : x == null ? 1 : -1;
    return direction * (typeof x === 'string' ? collator.compare(x, y) : x - y) || collator.compare(a.item.user.name ?? a.item.id, b.item.user.name ?? b.item.id);
  });
  return keyed.map(({ item }) => item);
}

function sortUsers() {
  const isAsked = choice('agents') === '1';
  setShown(byId('users'), userItems.size > 0);
  setShown(byId('agent-list'), isAsked && !view.kiosk);
  setText(byId('agents-open'), isAsked ? texts.hideAgents : texts.showAgents);
  byId('agents-open').setAttribute('aria-expanded', String(isAsked));
  if (!userItems.size) return;
  agentsInView = agentsOfChosenQueues();
  showAgentQueues();
  showAgentGroups();
  const all = isAsked ? agentsShown() : [];
  const shown = view.kiosk ? [] : all.slice(0, MOST_AGENTS);
  const elements = new Set(shown.map(({ tr }) => tr));
  for (const tr of [...byId('agent-rows').children]) if (!elements.has(tr)) tr.remove();
  setOrder(byId('agent-rows'), [...elements]);
  setText(byId('agents-more'), all.length > shown.length && !view.kiosk ? texts.moreAgents(all.length - shown.length) : all.length || !isAsked ? '' : texts.noAgents);
  const sort = choice('agent_sort') ?? '';
  for (const th of byId('agent-head').children) {
    if (th.dataset.column === sort.replace('-', '')) th.setAttribute('aria-sort', sort.startsWith('-') ? 'descending' : 'ascending');
    else th.removeAttribute('aria-sort');
  }
  tickUsers();
  setText(byId('limits-unread'), limitsUnread.length && isAsked ? texts.noLimit(limitsUnread.join(', ')) : '');
}

/** Who was beyond which limit when the agents were put in order. */
let orderedBeyond = '';

/** Goes on with the durations between two pictures; agents that passed a limit in the meantime get their place. */
function tickUsers() {
  const beyond = [];
  if (choice('agents') === '1') {
    for (const item of agentsInView) {
      const level = levelOf(item.user);
      if (level) beyond.push({ item, level });
      if (item.tr.parentNode) showTime(item, level);
    }
  }
  const nowBeyond = beyond.map(({ item, level }) => `${item.id} ${level}`).join();
  if (nowBeyond !== orderedBeyond) {
    orderedBeyond = nowBeyond;
    sortUsers();
    return;
  }
  const first = beyond.sort((a, b) => ALERT_RANKS[b.level] - ALERT_RANKS[a.level] || toMillis(a.item.user.since) - toMillis(b.item.user.since));
  const named = first.slice(0, view.kiosk ? MOST_NAMED : 0).map(({ item: { id, user }, level }) =>
    `${symbolOf(level)} ${user.name ?? id.slice(0, 8)} ${formatDuration(secsSince(user.since))}`);
  const isRed = first[0]?.level === 'red';
  byId('agents-beyond').className = first.length ? first[0].level : '';
  setText(byId('agents-beyond'), first.length ? [`${isRed ? symbolOf('red') : symbolOf('amber')} ${texts.beyondLimits(first.length)}`, ...named].join(' · ') : '');
}

function showTime({ user, alert, time, timeCell }, level) {
  setText(time, user.since == null ? UNKNOWN : formatDuration(secsSince(user.since)));
  setShown(alert, level != null);
  setText(alert, level ? symbolOf(level) : '');
  alert.setAttribute('aria-label', level ? texts[level] : '');
  for (const name of ['amber', 'red']) timeCell.classList.toggle(name, level === name);
}
