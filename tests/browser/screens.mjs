// The page with scripted pictures: many queues, long names and numbers, orders, views, languages, alerts, replays.
// In: the program, Chromium · Out: verdicts on stdout, screenshots · usage: node screens.mjs PROGRAM DIR
import { mkdirSync, readFileSync } from 'node:fs';
import assert from 'node:assert/strict';
import { accessible, axe, endAll, launch, scripted, start, step } from './harness.mjs';

const [program, shots] = process.argv.slice(2);
mkdirSync(shots, { recursive: true });

const LONG = 'Claims and complaints of private customers, second level 60';

/** A picture of these queues, each `{ id, … }` with the snapshot's names; all are live unless `source` says so. */
function picture(queues, { source = 'service', connection = {}, asOf = Date.now() } = {}) {
  const at = (secs) => new Date(asOf - secs * 1000).toISOString();
  const sum = (field) => queues.reduce((total, queue) => total + (queue[field] ?? 0), 0);
  const totals = { answered: 12345, abandoned: 10234, short_abandoned: 0, service_level_percent: 81.4 };
  return {
    version: '0',
    started_at: at(4000),
    as_of: at(0),
    settings: { totals_since: 'day', interval_ms: 60_000, stale_after_ms: 600_000, source },
    connection: {
      state: 'streaming', protocol: 'notifications', since: at(3000), last_frame_at: at(0), connections: 1, reconnects: 1,
      topics_refused: 1, gaps_total: 1, gaps_unrepaired: 0, ...connection,
    },
    counters: { events_dropped: 1 },
    freshness: {},
    totals: {
      waiting: sum('waiting'), interacting: sum('interacting'), after_call_work: sum('after_call_work'),
      active_conversations: 98765,
    },
    all_queues: { totals, windows: { [at(120)]: window(5), [at(60)]: window(7) } },
    queues: Object.fromEntries(queues.map(({ id, wait, ...queue }) => [id, {
      name: id, waiting: 0, interacting: 3, after_call_work: 1, average_wait_secs: 75,
      service_level_target_percent: 80,
      totals: { answered: 300, abandoned: 12, short_abandoned: 0, service_level_percent: 85.5 },
      windows: { [at(120)]: window(3), [at(60)]: window(4) },
      agents_by_status: { IDLE: 2, INTERACTING: 3, OFF_QUEUE: 4 },
      ...(wait != null && { longest_wait_since: at(wait) }),
      ...queue,
    }])),
  };
}

const window = (answered) => ({ answered, abandoned: 1, service_level_percent: 80, coverage_percent: 100 });
const many = (length) => Array.from({ length }, (_, i) => ({ id: `Queue ${i + 1}`, waiting: i, wait: i * 10 }));

let site = program;
if (!program.startsWith('http')) {
  const demo = start(program, ['demo', '--output', 'none', '--listen', '127.0.0.1:0'], {}, /page and metrics: (http:\S+)/);
  site = await demo.found;
}
const served = await scripted(site);
const browser = await launch();
const complaints = [];

/** A viewer of his own, who remembers nothing of the others. */
async function viewer({ width = 1366, height = 768, locale = 'en-GB', scheme = 'light' } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, locale, timezoneId: 'Europe/Berlin' });
  // Not as a script tag: the page's own policy forbids that.
  await context.addInitScript({ path: axe });
  const page = await context.newPage();
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.open = async (query = '') => {
    await page.goto(served.address + query);
    await page.waitForFunction(() => document.querySelector('#link').className !== '' || /Replay/.test(document.querySelector('#state').textContent));
  };
  page.names = () => page.locator('#queue-rows tr:not(.hidden) .name').allTextContents();
  page.text = (selector) => page.locator(selector).first().textContent();
  return page;
}

/** Elements whose text is wider than they are, or that reach beyond the window. */
const overflowing = (page) =>
  page.evaluate(() => {
    const wide = [];
    for (const b of document.querySelectorAll('#tiles b, #queue-rows td b')) {
      const box = b.closest('#tiles > div, td');
      if (!box.getClientRects().length) continue;
      const { left, right } = box.getBoundingClientRect();
      const range = document.createRange();
      range.selectNodeContents(b);
      const text = range.getBoundingClientRect();
      if (text.right > right + 1 || text.left < left - 1) wide.push(`${b.textContent} in ${Math.round(right - left)} px`);
    }
    if (document.documentElement.scrollWidth > innerWidth) wide.push(`page ${document.documentElement.scrollWidth}`);
    return wide;
  });

/** Heads of columns that are wider than their columns. */
const wideHeads = (page) =>
  page.evaluate(() => [...document.querySelectorAll('#queue-head th')].filter((th) => th.clientWidth && th.scrollWidth > th.clientWidth + 1).map((th) => `${th.textContent} ${th.scrollWidth} > ${th.clientWidth}`));

const columnsInSight = (page) =>
  page.evaluate(() => {
    const box = document.querySelector('.table-box').getBoundingClientRect();
    const heads = [...document.querySelectorAll('#queue-head th')].filter((th) => th.getClientRects().length);
    return heads.filter((th) => th.getBoundingClientRect().right <= box.right + 1).length - heads.length;
  });

async function layouts() {
  const queues = [
    { id: 'a', name: LONG, waiting: 12345, interacting: 23456, after_call_work: 34567, wait: 4000 },
    { id: 'b', name: 'Sales', waiting: 2, wait: 65 },
    { id: 'c', name: 'مبيعات <b>bold</b>', unknown: 'gap' },
    { id: 'd', name: 'W'.repeat(60) },
  ];
  served.show(picture(queues));
  for (const [width, height] of [[390, 844], [800, 900], [1366, 768], [1920, 1080], [3840, 2160]]) {
    const page = await viewer({ width, height });
    for (const query of ['', '?kiosk', '?lang=de', '?kiosk&lang=de']) {
      await page.open(query);
      await page.waitForFunction(() => document.querySelectorAll('#queue-rows tr').length > 2);
      if (width > 760) assert.deepEqual(await wideHeads(page), [], `${width} ${query}`);
      const what = `${width}x${height} ${query || 'desk'}`;
      if (width > 760 || !/kiosk/.test(query)) {
        assert.deepEqual(await overflowing(page), [], what);
        // The head of a phone's table is for screen readers only.
        if (width > 760) assert.equal(await columnsInSight(page), 0, `columns beyond the table, ${what}`);
        const lines = await page.evaluate(() => Math.max(...[...document.querySelectorAll('.name')].map((name) => name.clientHeight / parseFloat(getComputedStyle(name).lineHeight))));
        assert.ok(lines < 2.2, `a name has ${lines} lines, ${what}`);
      }
      await page.screenshot({ path: `${shots}/numbers-${width}${query.replace('?', '-')}.png` });
      for (const scheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme: scheme });
        await accessible(page, `${what} ${scheme}`);
      }
      await page.emulateMedia({ colorScheme: 'light' });
    }
    await page.context().close();
  }
  step('five digits and long names stay in their places');
}

async function orders() {
  const queues = [
    { id: 'Beta', waiting: 1, wait: 20 },
    { id: 'Alpha', waiting: 5, wait: 10 },
    { id: 'Gamma', waiting: 3, wait: 30 },
    { id: 'Delta' },
  ];
  served.show(picture(queues));
  const page = await viewer();
  await page.open();
  assert.deepEqual(await page.names(), ['Gamma', 'Beta', 'Alpha', 'Delta'], 'by need: the longest wait first');
  const head = page.locator('#queue-head [data-column=waiting]');
  const arrow = () => head.locator('button').evaluate((button) => getComputedStyle(button, '::after').content);
  await head.locator('button').focus();
  await page.keyboard.press('Enter');
  assert.deepEqual(await page.names(), ['Alpha', 'Gamma', 'Beta', 'Delta']);
  assert.equal(await head.getAttribute('aria-sort'), 'descending');
  assert.match(await arrow(), /↓/);
  await page.keyboard.press('Enter');
  assert.deepEqual(await page.names(), ['Delta', 'Beta', 'Gamma', 'Alpha']);
  assert.equal(await head.getAttribute('aria-sort'), 'ascending');
  assert.match(await arrow(), /↑/);
  assert.equal(new URL(page.url()).searchParams.get('sort'), 'waiting');
  step('the arrow points the way of the numbers');

  // Each picture is in order; the choice outlives a visit without it.
  await page.goto(served.address);
  await page.waitForFunction(() => document.querySelector('#queue-rows tr .name')?.textContent === 'Delta');
  served.show(picture([...queues.slice(0, 3), { id: 'Delta', waiting: 9 }]));
  await page.waitForFunction(() => document.querySelector('#queue-rows tr:last-child .name').textContent === 'Delta', undefined, { timeout: 900 });
  step('rows are in order with each picture, and the order is remembered');
  await page.context().close();
}

async function badges() {
  const page = await viewer();
  served.show(picture(many(3), { source: 'replay', asOf: Date.parse('2026-03-02T09:30:00Z') }));
  await page.open();
  assert.match(await page.text('#state'), /^Replay of 2 Mar 2026,? 10:30/);
  assert.notEqual(await page.getAttribute('#link', 'class'), 'live', 'a replay is not green');
  await accessible(page, 'replay');
  served.show(picture(many(3), { source: 'simulator' }));
  await page.waitForFunction(() => document.querySelector('#source').textContent === 'Simulated');
  assert.match(await page.text('#facts'), /1 connection · 1 reconnect · 1 gap · 1 event dropped · 1 topic refused/);
  await page.context().close();
  step('a replay and a simulation are named, plurals are right');
}

async function views() {
  const queues = [...many(4), { id: 'vip-1', name: 'VIP, gold', waiting: 9, interacting: 5 }];
  served.show(picture(queues));
  const page = await viewer();
  await page.open('?queues=queue%202,Queue+4&sort=-waiting&title=Claims&theme=dark&lang=de&page_secs=15&agents=1');
  await page.waitForFunction(() => document.querySelectorAll('#queue-rows tr').length === 2);
  assert.deepEqual(await page.names(), ['Queue 4', 'Queue 2']);
  assert.equal(await page.text('#heading'), 'Claims');
  assert.equal(await page.getAttribute('html', 'lang'), 'de');
  assert.equal(await page.text('#queues-title'), 'Warteschlangen');
  assert.equal(await page.text('#tiles > div:first-child b'), '4', 'the tiles are those of the chosen queues');
  assert.equal(await page.text('#tiles > div:nth-child(6) b'), '24');
  assert.equal(await page.text('#queue-rows tr [data-column=service-level] b'), '85,5 %');
  assert.equal(await page.text('#chosen'), '2 von 5 Warteschlangen');
  assert.match(await page.title(), /^4 wartend · Claims$/);
  assert.match(await page.getAttribute('#wall', 'href'), /^\/\?kiosk&queues=queue\+2,Queue\+4&sort=-waiting&title=Claims/);
  await accessible(page, 'a view by address');

  // Remembered, until it is reset.
  await page.open();
  await page.waitForFunction(() => document.querySelectorAll('#queue-rows tr').length === 2);
  assert.equal(new URL(page.url()).searchParams.get('title'), 'Claims');
  step('a view by its address, remembered');

  // By keyboard alone: the panel opens, sets, closes, and gives the focus back.
  await page.locator('#panel-open').focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('#panel').open);
  await accessible(page, 'panel');
  await page.screenshot({ path: `${shots}/panel.png` });
  await page.locator('#panel-reset').focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelectorAll('#queue-rows tr').length === 5);
  assert.equal(new URL(page.url()).search, '');
  await page.locator('#panel-open').focus();
  await page.keyboard.press('Enter');
  await page.getByLabel('Title').fill('Night');
  await page.getByLabel('Theme').selectOption('dark');
  await page.getByLabel('Order').selectOption('-waiting');
  await page.getByLabel('VIP, gold').focus();
  await page.keyboard.press('Space');
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'panel-open');
  assert.deepEqual(await page.names(), ['VIP, gold']);
  assert.equal(await page.text('#heading'), 'Night');
  const { searchParams } = new URL(page.url());
  assert.deepEqual([...searchParams.keys()].sort(), ['queues', 'sort', 'theme', 'title']);
  assert.equal(await page.evaluate(() => document.documentElement.className), 'dark');
  await page.context().close();

  // In the viewer's language and zone; a text that is missing is English.
  const berlin = await viewer({ locale: 'de-DE' });
  served.show(picture(many(3), { source: 'replay', asOf: Date.parse('2026-03-02T09:30:00Z') }));
  await berlin.goto(served.address);
  await berlin.waitForFunction(() => document.querySelector('#state').textContent.startsWith('Wiedergabe vom 02.03.2026, 10:30'));
  assert.equal(await berlin.text('#tiles > div:nth-child(4) b'), '98.765');
  await berlin.goto(`${served.address}?lang=fr`);
  await berlin.waitForFunction(() => document.querySelector('#state').textContent.startsWith('Replay of'));
  await berlin.context().close();
  const read = (file, name) => new Function('inBrackets', 'count', `${readFileSync(`src/web/page/${file}.js`, 'utf8')}; return ${name}`)();
  const [english, german] = [read('english', 'english'), read('german', 'german')];
  assert.deepEqual(Object.keys(german).filter((key) => !(key in english)), [], 'German texts that nothing shows');
  assert.ok(!('countedByGenesys' in german), 'the text that shows the fallback');
  step('a panel by keyboard; languages');
}

async function fallback() {
  const page = await viewer({ locale: 'de-DE' });
  served.show(picture([{ id: 'a', waiting: 3, observed: { waiting: 2, differs_since: new Date().toISOString() } }]));
  await page.open();
  await page.waitForFunction(() => document.querySelector('#queue-rows small')?.textContent === ' Genesys: 2');
  await page.context().close();
  step('a missing text is English');
}

/** Looks at the names on each page of a wall, in whatever order they are seen. */
async function eachPage(page, look) {
  const missed = new Set(Array.from({ length: Number(/of (\d+)$/.exec(await page.text('#pages'))[1]) }, (_, i) => i + 1));
  while (missed.size) {
    const { number, names } = await page
      .waitForFunction((missed) => {
        const number = Number(/\d+/.exec(document.querySelector('#pages').textContent)[0]);
        return missed.includes(number) && { number, names: [...document.querySelectorAll('#queue-rows .name')].map((name) => name.textContent) };
      }, [...missed])
      .then((found) => found.jsonValue());
    missed.delete(number);
    look(names);
  }
}

async function walls() {
  for (const [length, perPage] of [[1, 1], [6, 6], [25, 25], [60, 25], [600, 25]]) {
    served.show(picture(many(length)));
    const page = await viewer({ width: 1920, height: 1080 });
    await page.open('?kiosk&page_secs=3600');
    await page.waitForFunction((wanted) => document.querySelectorAll('#queue-rows tr').length >= wanted, perPage);
    const seen = new Set(await page.names());
    assert.ok([...seen][0] === `Queue ${length}`, 'the longest wait first');
    const below = await page.evaluate(() => {
      const box = document.querySelector('.table-box').getBoundingClientRect();
      return Math.round(document.querySelector('#queue-rows tr:last-child').getBoundingClientRect().bottom - Math.min(box.bottom, innerHeight));
    });
    assert.ok(below <= 1, `${length} queues: the last row ends ${below} px below its place`);
    assert.deepEqual(await overflowing(page), []);
    const pages = await page.text('#pages');
    assert.equal(pages !== '', length > 25, `${length} queues: ${pages}`);
    await page.screenshot({ path: `${shots}/kiosk-${length}.png` });
    if (length === 60) {
      await page.open('?kiosk&page_secs=2');
      await eachPage(page, (names) => names.forEach((name) => seen.add(name)));
      assert.equal(seen.size, 60, 'every queue is on a page');
      await accessible(page, 'kiosk of 60 queues');
    }
    await page.context().close();
  }
  step('a wall of 25 rows, and pages that turn');
}

async function alerts() {
  const since = new Date().toISOString();
  const quiet = many(3);
  const firing = (alerts) => [...quiet.slice(0, 2), { id: 'Queue 3', waiting: 2, wait: 5, alerts }];
  served.show(picture(quiet));
  const page = await viewer();
  await page.addInitScript(() => {
    window.tones = 0;
    const create = AudioContext.prototype.createOscillator;
    AudioContext.prototype.createOscillator = function () {
      window.tones += 1;
      return create.call(this);
    };
  });
  await page.open();
  await page.waitForFunction(() => document.querySelectorAll('#queue-rows tr').length === 3);
  assert.deepEqual(await page.names(), ['Queue 3', 'Queue 2', 'Queue 1']);
  assert.equal(await page.locator('.alert').count(), 0);

  const both = [{ id: 'Queue 1', alerts: { idle_agents: { level: 'red', since, value: 0 } } }, quiet[1],
    { ...quiet[2], alerts: { waiting: { level: 'amber', since, value: 2 }, abandoned_percent: { level: 'amber', since, value: 12.5 } } }];
  served.show(picture(both));
  await page.waitForFunction(() => document.querySelectorAll('.alert').length === 3);
  assert.deepEqual(await page.names(), ['Queue 1', 'Queue 3', 'Queue 2'], 'red, amber, the longest wait');
  assert.equal(await page.text('#alerts'), '1 red · 2 amber');
  assert.deepEqual(await page.locator('.alert').allTextContents(), ['■', '▲', '▲']);
  assert.match(await page.getAttribute('td[data-column=abandoned] .alert', 'aria-label'), /^Amber at 12.5 % since /);
  const colour = (selector) => page.locator(selector).first().evaluate((b) => getComputedStyle(b).color);
  const [red, amber, usual] = [await colour('td.red b'), await colour('td.amber b'), await colour('td[data-column=interacting] b')];
  assert.equal(new Set([red, amber, usual]).size, 3);
  assert.equal(await page.evaluate(() => window.tones), 0, 'nobody asked for a sound');
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme });
    await accessible(page, `alerts, ${scheme}`);
  }
  await page.screenshot({ path: `${shots}/alerts.png` });
  served.show(picture(quiet));
  await page.waitForFunction(() => document.querySelectorAll('.alert:not(.hidden), td.red, td.amber').length === 0);

  // A sound where a person switched it on: when one begins, and when it turns red; not for one that goes on.
  await page.locator('#panel-open').click();
  await page.getByLabel('Sound').check();
  await page.keyboard.press('Escape');
  await page.evaluate(() => (window.tones = 0));
  const show = async (list, red) => {
    served.show(picture(firing(list)));
    await page.waitForFunction((text) => document.querySelector('#alerts').textContent === text, red);
  };
  await show({ waiting: { level: 'amber', since, value: 2 } }, '1 amber');
  assert.equal(await page.evaluate(() => window.tones), 1);
  await show({ waiting: { level: 'amber', since, value: 3 } }, '1 amber');
  await show({ waiting: { level: 'red', since, value: 9 } }, '1 red');
  assert.equal(await page.evaluate(() => window.tones), 3);
  await show({}, '');
  await page.open('?kiosk');
  served.show(picture(firing({ longest_wait_secs: { level: 'red', since, value: 65 } })));
  await page.waitForFunction(() => document.querySelector('td.red[data-column=longest-wait] .alert')?.textContent === '■');
  assert.deepEqual(await overflowing(page), []);
  await page.context().close();
  step('alerts have colour, symbol, words and a sound');
}

/** On a wall of many queues the red ones are on every page. */
async function pinned() {
  const since = new Date().toISOString();
  const queues = many(60).map((queue, i) => (i % 20 ? queue : { ...queue, alerts: { waiting: { level: 'red', since, value: 9 } } }));
  served.show(picture(queues));
  const page = await viewer({ width: 1920, height: 1080 });
  await page.open('?kiosk&page_secs=2&sort=name');
  await page.waitForFunction(() => /of 3$/.test(document.querySelector('#pages').textContent));
  const seen = new Set();
  await eachPage(page, (names) => {
    assert.deepEqual(names.slice(0, 3), ['Queue 1', 'Queue 21', 'Queue 41']);
    names.forEach((name) => seen.add(name));
  });
  assert.equal(seen.size, 60, 'every queue is on a page');
  await page.screenshot({ path: `${shots}/kiosk-red.png` });
  await page.context().close();
  step('red queues are on every page of a wall');
}

/** What was asked for and is not there is named, with what to do. */
async function missing() {
  served.show(picture(many(3)));
  const page = await viewer();
  await page.open('?queues=Salse,<b>,queue%202');
  await page.waitForFunction(() => document.querySelector('#missing').textContent !== '');
  assert.match(await page.text('#missing'), /^No queue has the name or id Salse, <b>\. Choose from the list under “View”/);
  assert.deepEqual(await page.names(), ['Queue 2']);
  await page.open('?queues=Salse&lang=de');
  await page.waitForFunction(() => /Warteschlange/.test(document.querySelector('#missing').textContent));
  assert.match(await page.text('#missing'), /Salse\. Von 3 Warteschlangen ist nichts zu sehen\./);
  await accessible(page, 'no such queue');
  await page.screenshot({ path: `${shots}/missing.png` });
  await page.context().close();
  step('a queue that is not there is named');
}

/** A banner names the cause in the viewer's language, on the wall too; what Genesys said stays in its words. */
async function unknown() {
  const hidden = { waiting: undefined, interacting: undefined, after_call_work: undefined };
  const queues = [...many(2), { id: 'No', ...hidden, unknown: 'refused: routing:conversation:view' }, { id: 'Gap', ...hidden, unknown: 'gap' }];
  for (const [lang, query, reason, banner, state] of [
    ['en', '', ' refused', /^2 of 4 queues not known now: gap; refused: routing:conversation:view\./, 'Degraded'],
    ['de', '', ' verweigert', /^2 von 4 Warteschlangen jetzt unbekannt: Lücke; verweigert: routing:conversation:view\./, 'Eingeschränkt'],
    ['de', '&kiosk', ' verweigert', /^2 von 4 Warteschlangen jetzt unbekannt/, 'Eingeschränkt'],
  ]) {
    served.show({ ...picture(queues), degraded: '2 of 4 queues unknown (refused: routing:conversation:view; gap)' });
    const page = await viewer();
    await page.open(`?lang=${lang}${query}`);
    await page.waitForFunction(() => document.querySelector('#note').textContent !== '');
    assert.match(await page.text('#note'), banner);
    assert.equal(await page.text('#state'), state);
    const cell = page.locator('#queue-rows tr', { hasText: 'No' }).first().locator('[data-column=waiting]');
    assert.equal(await cell.locator('b').textContent(), '–');
    assert.equal(await cell.locator('small').textContent(), reason);
    assert.ok(await cell.locator('small').isVisible(), 'the reason is beside the dash');
    await accessible(page, `unknown queues, ${lang}${query}`);
    await page.screenshot({ path: `${shots}/unknown-${lang}${query.replace('&', '-')}.png` });
    await page.context().close();
  }
  step('what is not known is said with its cause');
}

const ago = (secs) => new Date(Date.now() - secs * 1000).toISOString();

async function agents() {
  const users = {
    a: { name: 'Ada', routing_status: 'INTERACTING', presence: 'ON_QUEUE', since: ago(700), queues: { 'Queue 1': true } },
    b: { name: 'Bea <i>', routing_status: 'NOT_RESPONDING', presence: 'ON_QUEUE', since: ago(45), queues: { 'Queue 1': true, 'Queue 2': true } },
    c: { name: 'Cem', routing_status: 'OFF_QUEUE', presence: 'BREAK', since: ago(1000), queues: { 'Queue 3': true } },
    d: { name: 'Dan', routing_status: 'IDLE', presence: 'ON_QUEUE', since: ago(2000) },
    e: { name: 'آمال' },
  };
  served.show({ ...picture(many(3)), users });
  const page = await viewer();
  await page.open('?limits=NOT_RESPONDING:30:40,BREAK:900:1800,INTERACTING:900');
  await page.waitForFunction(() => document.querySelector('#users:not(.hidden)'));
  assert.match(await page.text('#user-counts'), /^1 idle · 1 interacting · 1 not responding · 1 off queue · 1 unknown$/);
  assert.equal(await page.locator('#agent-rows tr').count(), 0, 'nobody asked for names');
  await page.locator('#agents-open').focus();
  await page.keyboard.press('Enter');
  assert.equal(new URL(page.url()).searchParams.get('agents'), '1');
  assert.match(await page.getAttribute('#wall', 'href'), /agents=1/);
  const names = () => page.locator('#agent-rows .name').allTextContents();
  assert.deepEqual(await names(), ['Bea <i>', 'Cem', 'Dan', 'Ada', 'آمال'], 'red, amber, the longest time');
  const marks = () => page.locator('#agent-rows .alert:not(.hidden)').evaluateAll((all) => all.map((mark) => `${mark.textContent} ${mark.getAttribute('aria-label')}`));
  assert.deepEqual(await marks(), ['■ Red', '▲ Amber']);
  assert.equal(await page.text('#agents-beyond'), '■ 2 beyond a limit');
  const time = page.locator('#agent-rows tr:first-child b');
  const before = await time.textContent();
  assert.match(before, /^0:\d\d$/);
  await page.waitForFunction((was) => document.querySelector('#agent-rows tr:first-child b').textContent !== was, before);
  // Sorted by time, searched, grouped; by keyboard.
  await page.locator('#agent-head [data-column=time] button').focus();
  await page.keyboard.press('Enter');
  assert.deepEqual(await names(), ['Dan', 'Cem', 'Ada', 'Bea <i>', 'آمال']);
  assert.equal(await page.getAttribute('#agent-head [data-column=time]', 'aria-sort'), 'descending');
  await page.keyboard.press('Enter');
  assert.deepEqual(await names(), ['Bea <i>', 'Ada', 'Cem', 'Dan', 'آمال'], 'unknown comes last');
  await page.getByLabel('Find an agent').fill('a');
  assert.deepEqual(await names(), ['Bea <i>', 'Ada', 'Dan']);
  await page.locator('#agent-group').selectOption('IDLE');
  assert.deepEqual(await names(), ['Dan']);
  await page.getByLabel('Find an agent').fill('zz');
  assert.equal(await page.text('#agents-more'), 'No agent matches.');
  await page.getByLabel('Find an agent').fill('');
  await page.locator('#agent-group').selectOption('*');
  // By queue: the members of one, and those of the chosen queues, with those whose queues are not known.
  const queue = page.getByLabel('Queue', { exact: true });
  assert.deepEqual(await queue.locator('option').allTextContents(), ['All queues', 'Queue 1', 'Queue 2', 'Queue 3']);
  await queue.selectOption('Queue 1');
  assert.deepEqual(await names(), ['Bea <i>', 'Ada']);
  assert.equal(new URL(page.url()).searchParams.get('agent_queue'), 'Queue 1');
  await page.reload();
  await page.waitForFunction(() => document.querySelectorAll('#agent-rows tr').length === 2);
  assert.equal(await queue.inputValue(), 'Queue 1');
  await queue.selectOption('*');
  assert.equal(new URL(page.url()).searchParams.get('agent_queue'), null);
  await page.open('?agents=1&queues=Queue+3&agent_sort=name');
  await page.waitForFunction(() => document.querySelectorAll('#agent-rows tr').length === 3);
  assert.deepEqual(await names(), ['Cem', 'Dan', 'آمال']);
  assert.match(await page.text('#user-counts'), /^1 idle · 1 off queue · 1 unknown$/);
  assert.deepEqual(await queue.locator('option').allTextContents(), ['All queues', 'Queue 3']);
  served.show({ ...picture(many(3)), users: { ...users, c: { ...users.c, queues: {} } } });
  await page.waitForFunction(() => document.querySelector('#agent-queue.hidden'));
  served.show({ ...picture(many(3)), users });
  await page.open('?agents=1&agent_sort=time&limits=NOT_RESPONDING:30:40,BREAK:900:1800,INTERACTING:900');
  await page.waitForFunction(() => document.querySelectorAll('#agent-rows tr').length === 5);
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme });
    await accessible(page, `agents, ${scheme}`);
  }
  await page.screenshot({ path: `${shots}/agents.png`, fullPage: true });
  await page.setViewportSize({ width: 390, height: 844 });
  assert.deepEqual(await overflowing(page), []);
  await accessible(page, 'agents on a phone');
  await page.screenshot({ path: `${shots}/agents-390.png`, fullPage: true });

  await page.open('?agents=1&limits=IDLE,BREAK:900');
  await page.waitForFunction(() => document.querySelector('#limits-unread').textContent.startsWith('Not a limit: IDLE.'));

  // Without limits in the address those of the program hold.
  served.show({ ...picture(many(3)), users, settings: { ...picture([]).settings, limits: 'BREAK:900:1800' } });
  await page.open('?agents=1&title=y');
  await page.waitForFunction(() => document.querySelector('#agents-beyond').textContent === '▲ 1 beyond a limit');
  served.show({ ...picture(many(3)), users });

  // Beyond a limit they are named on a wall that asks for them.
  await page.setViewportSize({ width: 1920, height: 1080 });
  await page.open('?kiosk&agents=1&limits=NOT_RESPONDING:30:40');
  await page.waitForFunction(() => /Bea <i> 0:\d\d/.test(document.querySelector('#agents-beyond').textContent));
  await page.open('?kiosk&limits=NOT_RESPONDING:30:40');
  await page.waitForFunction(() => /idle/.test(document.querySelector('#user-counts').textContent));
  assert.equal(await page.text('#agents-beyond'), '');

  // Of very many only some have rows.
  const crowd = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`u${i}`, { name: `Agent ${i}`, routing_status: 'IDLE', since: ago(i) }]));
  served.show({ ...picture(many(3)), users: crowd });
  await page.open('?agents=1&title=x');
  await page.waitForFunction(() => document.querySelectorAll('#agent-rows tr').length === 200);
  assert.match(await page.text('#agents-more'), /^800 more/);
  assert.equal((await names())[0], 'Agent 999');
  await page.context().close();
  step('agents: time in status, limits, order, search, groups');
}

const changes = () => ({
  1: { kind: 'start', at: ago(30 * 3600), until: ago(30 * 3600 - 2) },
  2: { kind: 'interruption', at: ago(6000), until: ago(5875), cause: 'socket closed (1006)', attempts: 5, stopped: false },
  3: { kind: 'gap', id: 1, at: ago(6000), until: ago(5875), cause: 'socket closed (1006)', repaired: true },
  4: { kind: 'gap', id: 2, at: ago(900), topics: 1, cause: 'refused', repaired: false },
  5: { kind: 'alert', queue_id: 'Queue 1', queue: 'Queue 1', name: 'longest_wait_secs', level: 'red', value: 180, at: ago(800), until: ago(700) },
  10: { kind: 'alert', queue_id: 'x', queue: '<b>Other</b>', name: 'waiting', level: 'amber', value: 7, at: ago(60) },
});

async function lastChanges() {
  served.show({ ...picture(many(3)), changes: changes() });
  const page = await viewer();
  await page.open();
  await page.waitForFunction(() => document.querySelectorAll('#change-rows tr').length === 6);
  const column = (n) => page.locator(`#change-rows tr > :nth-child(${n})`).allTextContents();
  assert.deepEqual(await column(2), [
    '▲<b>Other</b>: Waiting amber at 7',
    '■Queue 1: Longest wait red at 3:00',
    '●Gap of 1 topic: refused',
    '●Gap of all topics: socket closed (1006)',
    '●No stream from Genesys: socket closed (1006) · 5 attempts',
    '●Program started',
  ], 'the newest first, in the order of their numbers');
  const lasted = await column(3);
  assert.match(lasted[0], /^1:0\d, goes on$/);
  assert.match(lasted[2], /^15:0\d, goes on$/);
  assert.deepEqual([lasted[1], lasted[3], lasted[4], lasted[5]], ['1:40', '2:05 · repaired', '2:05', '0:02']);
  const whens = await column(1);
  assert.match(whens.at(-1), /\d{4}/, 'another day has its date');
  await page.waitForFunction((was) => document.querySelector('#change-rows td:last-child').textContent !== was, lasted[0]);
  // The end of one: the row stays, the others too.
  served.patch({ changes: { 10: { until: ago(0) }, 1: null, 11: { kind: 'interruption', at: ago(1), cause: 'silent', attempts: 1, stopped: false } } });
  await page.waitForFunction(() => /^1:0\d$/.test(document.querySelectorAll('#change-rows td:last-child')[1].textContent));
  assert.equal(await page.locator('#change-rows tr').count(), 6);
  await page.locator('#changes-kind').selectOption('alert');
  assert.equal(await page.locator('#change-rows tr').count(), 2);
  await page.open('?queues=Queue%201&title=One');
  await page.waitForFunction(() => document.querySelectorAll('#change-rows tr').length === 5);
  for (const [width, height] of [[390, 844], [1366, 768], [1920, 1080], [3840, 2160]]) {
    await page.setViewportSize({ width, height });
    assert.deepEqual(await overflowing(page), []);
    await accessible(page, `last changes, ${width}`);
  }
  await page.screenshot({ path: `${shots}/changes.png`, fullPage: true });
  await page.open('?lang=de');
  await page.waitForFunction(() => /gefüllt/.test(document.querySelector('#change-rows').textContent));
  await page.context().close();
  step('the last changes, kept by the program');
}

async function theDay() {
  const minute = (i) => new Date(Math.floor(Date.now() / 60_000) * 60_000 - (599 - i) * 60_000).toISOString();
  const windows = (peak) => Object.fromEntries(Array.from({ length: 600 }, (_, i) => [minute(i), {
    offered: 3, answered: 2, abandoned: 1, coverage_percent: i === 5 ? 50 : 100,
    ...(i > 9 && { waiting_max: i === 300 ? peak : 4, waiting_mean: 1.5, longest_wait_max: 30, interacting_mean: 6 }),
  }]));
  served.days[''] = { windows: windows(12_345), quarters: {} };
  served.days['queue=Queue%202'] = { windows: windows(77), quarters: {} };
  served.days['queue=Queue%201&queue=Queue%202'] = { windows: windows(99), quarters: {} };
  const history = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [minute(540 + i), { waiting: i % 7, interacting: 5, after_call_work: 1, active_conversations: 9 }]));
  served.show({ ...picture(many(3)), history });
  const page = await viewer();
  await page.open();
  await page.waitForFunction(() => document.querySelector('#day-waiting-most').textContent === '12,345');
  const points = (tile) => page.locator(`#tiles > div:nth-child(${tile}) .line`).getAttribute('d').then((path) => path.split('L').length);
  for (const tile of [1, 2, 3, 4]) assert.ok((await points(tile)) > 50, `the small chart of tile ${tile} begins empty`);
  assert.match(await page.getAttribute('#day-waiting svg', 'aria-label'), /^Waiting from .* to .*, at most 12,345 at \d\d:\d\d$/);
  assert.equal(await page.getAttribute('#day-visits svg', 'aria-label'), 'In this time 1,800 offered, 1,200 answered, 600 abandoned');
  assert.match(await page.text('#day-facts'), /offered · 12,345 answered · 10,234 abandoned · service level 81.4 %$/);
  for (const shape of ['uncovered', 'waiting-max', 'line']) assert.notEqual(await page.getAttribute(`#day-waiting .${shape}`, 'd'), '', shape);
  for (const shape of ['answered', 'abandoned', 'offered']) assert.notEqual(await page.getAttribute(`#day-visits .${shape}`, 'd'), '', shape);
  await page.locator('#day-queue').selectOption('Queue 2');
  await page.waitForFunction(() => document.querySelector('#day-waiting-most').textContent === '77');
  assert.match(await page.text('#day-facts'), /300 answered · 12 abandoned/);
  assert.equal(new URL(page.url()).searchParams.get('chart'), 'Queue 2');
  // The same as a table, by keyboard.
  await page.locator('#day-hours summary').focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelectorAll('#hour-rows tr').length >= 10);
  const peak = await page.locator('#hour-rows tr', { hasText: '77' }).locator('> *').allTextContents();
  assert.equal(peak.length, 7);
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const [width, height] of [[390, 844], [1366, 768], [1920, 1080], [3840, 2160]]) {
      await page.setViewportSize({ width, height });
      assert.deepEqual(await overflowing(page), []);
      await accessible(page, `the day, ${width} ${scheme}`);
      await page.screenshot({ path: `${shots}/day-${width}-${scheme}.png`, fullPage: true });
    }
  }
  // Where windows are of the last hour only, the day is told by quarters of an hour.
  const quarter = (i) => new Date(Math.floor(Date.now() / 900_000) * 900_000 - (79 - i) * 900_000).toISOString();
  const last = Object.entries(windows(5)).slice(-60);
  const quarters = Object.fromEntries(Array.from({ length: 80 }, (_, i) => [quarter(i), { waiting_max: i === 3 ? 555 : 2, waiting_mean: 1 }]));
  served.days['queue=Queue%203'] = { windows: Object.fromEntries(last), quarters };
  await page.open('?chart=queue%203');
  await page.waitForFunction(() => document.querySelector('#day-waiting-most').textContent === '555');
  assert.ok((await page.getAttribute('#day-visits .answered', 'd')).split('M').length <= 5, 'counts of the quarters that windows fill');
  // Chosen queues have lines of their own.
  await page.open('?queues=Queue%201,Queue%202');
  await page.waitForFunction(() => document.querySelector('#day-waiting-most').textContent === '99');
  assert.ok((await points(1)) > 50 && (await points(2)) > 50);
  await page.context().close();
  step('the day as a chart, in words, and as a table');
}

/** A day of pictures: neither elements nor memory grow. */
async function flat() {
  const page = await viewer();
  let asOf = Date.now();
  const users = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`u${i}`, { name: `Agent ${i}`, routing_status: 'IDLE', since: ago(i) }]));
  served.show({ ...picture(many(20), { asOf }), users });
  await page.open('?agents=1&limits=IDLE:5:20');
  const client = await page.context().newCDPSession(page);
  const measure = async () => {
    await client.send('HeapProfiler.collectGarbage');
    const { nodes, jsHeapUsedSize } = Object.assign(await client.send('Memory.getDOMCounters'), await client.send('Runtime.getHeapUsage').then(({ usedSize }) => ({ jsHeapUsedSize: usedSize })));
    return { nodes, heap: jsHeapUsedSize };
  };
  let number = 0;
  const hours = async (from, to) => {
    for (let minute = from * 60; minute < to * 60; minute += 1) {
      asOf += 60_000;
      const at = new Date(asOf).toISOString();
      const old = new Date(asOf - 3_600_000).toISOString();
      const queues = Object.fromEntries(many(20).map(({ id }, i) => [id, { waiting: (minute + i) % 90, longest_wait_since: at, windows: { [at]: window(minute % 7), [old]: null } }]));
      number += 1;
      served.patch({ as_of: at, connection: { last_frame_at: at }, queues, users: { [`u${minute % 40}`]: { since: at } },
        history: { [at]: { waiting: minute % 9 }, [old]: null },
        changes: { [number]: { kind: 'gap', id: number, at, until: at, cause: 'x', repaired: true }, ...(number > 200 && { [number - 200]: null }) } });
      if (minute % 10 === 9) await page.waitForFunction((time) => document.querySelector('#change-rows time')?.dateTime === time, at);
    }
    return measure();
  };
  const early = await hours(0, 6);
  const late = await hours(6, 24);
  assert.ok(late.nodes < early.nodes * 1.05, `elements: ${early.nodes} after 6 hours, ${late.nodes} after 24`);
  assert.ok(late.heap < early.heap * 1.2, `heap: ${early.heap} bytes after 6 hours, ${late.heap} after 24`);
  await page.context().close();
  step(`a day of pictures: ${early.nodes} to ${late.nodes} nodes, ${Math.round(early.heap / 1024)} to ${Math.round(late.heap / 1024)} KiB of heap`);
}

try {
  await orders();
  await views();
  await fallback();
  await walls();
  await alerts();
  await pinned();
  await missing();
  await unknown();
  await badges();
  await agents();
  await lastChanges();
  await theDay();
  await flat();
  await layouts();
  assert.deepEqual(complaints, [], 'console');
} finally {
  await browser.close();
  served.close();
  endAll();
}
