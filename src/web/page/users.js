// The list of agents: name, routing status, since when.

/** By user id: { user, li, name, status }. */
const userItems = new Map();

function makeUserItem(id) {
  const made = { li: element('li'), name: element('span'), status: element('small') };
  made.li.append(made.name, made.status);
  userItems.set(id, made);
  return made;
}

function updateUsers(changed) {
  for (const id of changed) {
    const user = row('users', id);
    if (!user) {
      userItems.get(id)?.li.remove();
      userItems.delete(id);
      continue;
    }
    const item = userItems.get(id) ?? makeUserItem(id);
    item.user = user;
    setText(item.name, user.name ?? id.slice(0, 8));
    item.li.className = STATUSES.includes(user.routing_status) ? user.routing_status : 'OTHER';
  }
  const rank = ({ user }) => {
    const known = STATUSES.indexOf(user.routing_status);
    return known < 0 ? STATUSES.length : known;
  };
  const sorted = [...userItems.values()].sort(
    (a, b) => rank(a) - rank(b) || ((a.user.name ?? '') < (b.user.name ?? '') ? -1 : 1),
  );
  setOrder(byId('user-list'), sorted.map(({ li }) => li));
  const counts = new Map();
  for (const { user } of sorted) {
    const status = formatStatus(user.routing_status);
    counts.set(status, (counts.get(status) ?? 0) + 1);
  }
  setText(byId('user-counts'), [...counts].map(([status, count]) => `${count} ${status}`).join(' · '));
  setShown(byId('users'), userItems.size > 0 && choice('agents') !== '0');
}

/** Goes on with the durations between two pictures. */
function tickUsers() {
  for (const { user, status } of userItems.values()) {
    const since = user.since == null ? '' : ` ${formatDuration(secsSince(user.since))}`;
    setText(status, formatStatus(user.routing_status) + since);
  }
}
