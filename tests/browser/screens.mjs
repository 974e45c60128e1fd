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
    for (const query of ['', '?kiosk']) {
      await page.open(query);
      await page.waitForFunction(() => document.querySelectorAll('#queue-rows tr').length > 2);
      const what = `${width}x${height} ${query || 'desk'}`;
      if (width > 760 || !query) {
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
  await page.open('?queues=queue%202,Queue+4&sort=-waiting&title=Claims&theme=dark&lang=de&page_secs=15&agents=0');
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

async function walls() {
  for (const [length, perPage] of [[1, 1], [6, 6], [25, 25], [60, 25], [600, 25]]) {
    served.show(picture(many(length)));
    const page = await viewer({ width: 1920, height: 1080 });
    await page.open('?kiosk&page_secs=2');
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
      const all = Number(/page 1 of (\d)/.exec(pages)[1]);
      for (let shown = 2; shown <= all; shown += 1) {
        await page.waitForFunction((text) => document.querySelector('#pages').textContent.startsWith(text), `page ${shown} of`);
        for (const name of await page.names()) seen.add(name);
      }
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

try {
  await orders();
  await views();
  await fallback();
  await walls();
  await alerts();
  await badges();
  await layouts();
  assert.deepEqual(complaints, [], 'console');
} finally {
  await browser.close();
  served.close();
  endAll();
}
