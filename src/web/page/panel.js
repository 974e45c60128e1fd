// The panel that sets the view: each field with `data-choice` is a choice of that name (view.js).

const panel = byId('panel');

/** What a field with no choice shows. */
const PANEL_DEFAULTS = { page_secs: String(PAGE_SECS) };

function makePanel() {
  for (const { name, label, sortKey } of columns) {
    if (!sortKey) continue;
    for (const [sign, arrow] of [['-', '↓'], ['', '↑']]) {
      byId('panel-sort').append(new Option(`${label} ${arrow}`, sign + name));
    }
  }
  for (const field of panel.querySelectorAll('[data-choice]')) {
    const { choice: name } = field.dataset;
    field.oninput = () => {
      const value = field.type === 'checkbox' ? (field.checked ? '1' : '0') : field.value.trim();
      choose(name, value === (PANEL_DEFAULTS[name] ?? (field.type === 'checkbox' ? '0' : '')) ? '' : value);
      if (name === 'lang') location.reload();
      if (name === 'sound' && field.checked) playSound(1);
      applyView();
    };
  }
  byId('panel-open').onclick = openPanel;
  byId('panel-close').onclick = () => panel.close();
  byId('panel-reset').onclick = () => {
    for (const name of CHOICES) choose(name, '');
    location.reload();
  };
}

function openPanel() {
  for (const field of panel.querySelectorAll('[data-choice]')) {
    const value = choice(field.dataset.choice) ?? PANEL_DEFAULTS[field.dataset.choice] ?? '';
    if (field.type === 'checkbox') field.checked = value === '1';
    else field.value = value;
  }
  const chosen = chosenQueues();
  const rows = [...queueRows.values()].sort((a, b) => collator.compare(a.queue.name ?? a.id, b.queue.name ?? b.id));
  byId('panel-queues').replaceChildren(
    ...rows.map(({ id, queue }) => {
      const label = element('label', 'check');
      const box = element('input');
      box.type = 'checkbox';
      // A comma separates queues, so a name that has one is replaced by the id.
      box.value = queue.name && !queue.name.includes(',') ? queue.name : id;
      box.checked = chosen != null && isChosen(id, queue, chosen);
      box.onchange = chooseQueues;
      label.append(box, element('span', '', queue.name ?? id));
      return label;
    }),
  );
  panel.showModal();
}

function chooseQueues() {
  const boxes = [...byId('panel-queues').querySelectorAll('input:checked')];
  choose('queues', boxes.map((box) => box.value).join(','));
  applyView();
}

/** Shows what was chosen. */
function applyView() {
  applyTheme();
  setText(byId('heading'), choice('title') ?? texts.heading);
  forgetAlerts();
  updateAlertCounts();
  sortQueues();
  sortUsers();
  showChanges();
  showDay();
  askForDay();
  tick();
}
