// The live page in a real browser: numbers move, nothing leaves the host, accessible, says when it is not live.
// In: the program, Chromium · Out: verdicts on stdout, screenshots in the directory given · usage: node page.mjs PROGRAM DIR
import { mkdirSync, rmSync } from 'node:fs';
import assert from 'node:assert/strict';
import { accessible as scan, axe, endAll, ended, launch, start as startProgram, step } from './harness.mjs';

const [program, shots] = process.argv.slice(2);
mkdirSync(shots, { recursive: true });
const start = (args, env, wanted) => startProgram(program, args, env, wanted);

const sim = start(['simulate', '--listen', '127.0.0.1:0', '--seed', '7'], {}, /listening on (http:\S+)/);
const region = await sim.found;
const env = { GENESYS_DOMAIN: region, GENESYS_CLIENT_ID: 'simulator', GENESYS_CLIENT_SECRET: 'simulator' };
const run = (listen) =>
  start(['run', '--output', 'none', '--listen', listen, '--user', 'queue-members', '--queue', 'all'], env, /page and metrics: (http:\S+)/);
let served = run('127.0.0.1:0');
const site = await served.found;

const browser = await launch();
try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'light' });
  // Not as a script tag: the page's own policy forbids that.
  await context.addInitScript({ path: axe });
  const page = await context.newPage();
  const complaints = [];
  const foreign = [];
  const origins = new Set([new URL(site).origin]);
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol !== 'data:' && !origins.has(url.origin)) foreign.push(request.url());
  });
  const accessible = (what) => scan(page, what);

  await page.goto(site);
  await page.waitForFunction(() => document.querySelector('#state')?.textContent === 'Live');
  assert.equal(await page.locator('#source').textContent(), 'Simulated');
  step('live, and named as simulated');
  const numbers = () => page.evaluate(() => [...document.querySelectorAll('#tiles b, #queue-rows b')].map((b) => b.textContent).join(' '));
  const first = await numbers();
  await page.waitForFunction((was) => [...document.querySelectorAll('#tiles b, #queue-rows b')].map((b) => b.textContent).join(' ') !== was, first);
  step('numbers move');
  const queues = await page.locator('#queue-rows tr').count();
  assert.ok(queues > 3, `${queues} queues`);

  // What the page shows is what the snapshot says.
  await page.waitForFunction(async () => {
    const snapshot = await (await fetch('/api/snapshot')).json();
    const shown = [...document.querySelectorAll('#queue-rows tr')].map((tr) => tr.querySelector('th').textContent + tr.querySelector('[data-column=waiting] b').textContent);
    const told = Object.values(snapshot.queues).map((q) => q.name + q.waiting);
    return JSON.stringify(shown.sort()) === JSON.stringify(told.sort());
  });
  step('the page agrees with the snapshot');

  await page.waitForTimeout(Number(process.env.SETTLE_MS ?? 8000));
  await page.screenshot({ path: `${shots}/1280x800-light.png` });
  await accessible('light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.screenshot({ path: `${shots}/1280x800-dark.png` });
  await accessible('dark');
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width: 390, height: 844 });
    await page.screenshot({ path: `${shots}/390x844-${scheme}.png`, fullPage: true });
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wider <= 0, `390 px wide: ${wider} px too wide`);
    await accessible(`phone, ${scheme}`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1280, height: 800 });

  // The theme is the system's, unless the address names one.
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await page.emulateMedia({ colorScheme: 'dark' });
  const dark = await background();
  assert.notEqual(dark, light);
  for (const [query, wanted] of [['?light', light], ['?dark', dark]]) {
    await page.goto(site + query);
    assert.equal(await background(), wanted, query);
  }
  await page.emulateMedia({ colorScheme: 'light' });
  assert.equal(await background(), dark, '?dark');
  await page.goto(`${site}?theme=light`);
  assert.equal(await background(), light, '?theme=light');
  step('themes');
  await page.evaluate(() => localStorage.clear());
  await page.goto(site);
  await page.waitForFunction(() => document.querySelector('#state')?.textContent === 'Live');

  // By keyboard: the first stop skips to the queues, a column's head sorts.
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
  await page.locator('#queue-head [data-column=waiting] button').focus();
  await page.keyboard.press('Enter');
  assert.equal(await page.locator('#queue-head [data-column=waiting]').getAttribute('aria-sort'), 'descending');
  step('works by keyboard');

  // Genesys is gone: the numbers are grey, and the page says why.
  await fetch(`${region}/sim/outage?secs=6`);
  await page.waitForFunction(() => document.querySelector('main').className === 'stale');
  assert.match(await page.locator('#note').textContent(), /Genesys/);
  await page.screenshot({ path: `${shots}/1280x800-outage.png` });
  await accessible('outage');
  await page.waitForFunction(() => document.querySelector('#state')?.textContent === 'Live', undefined, { timeout: 60000 });
  assert.match(await page.locator('#note').textContent(), /Live again/);
  step('an outage is shown, and its end');

  // What happened is there for a viewer who comes later.
  await page.reload();
  await page.waitForFunction(() => {
    const rows = [...document.querySelectorAll('#change-rows tr')].map((tr) => tr.textContent);
    return rows.some((text) => /No stream from Genesys/.test(text)) && rows.some((text) => /Gap of all topics.* · repaired$/.test(text));
  }, undefined, { timeout: 60000 });
  assert.match(await page.locator('#change-rows tr:last-child').textContent(), /Program started/);
  await page.waitForFunction(() => document.querySelector('#tiles .line').getAttribute('d') !== '' && document.querySelector('#day-visits .answered').getAttribute('d') !== '');
  await page.goto(`${site}?agents=1`);
  await page.waitForFunction(() => document.querySelectorAll('#agent-rows tr').length > 3);
  await page.screenshot({ path: `${shots}/1280x800-agents.png`, fullPage: true });
  await accessible('the whole page');
  step('last changes, the day and the agents are told by the program');
  assert.deepEqual(complaints, [], 'console');

  // The program is gone: the page says so, and comes back by itself.
  served.child.removeAllListeners('exit');
  served.child.kill('SIGKILL');
  await ended(served.child);
  await page.waitForFunction(() => document.querySelector('#state')?.textContent === 'Reconnecting');
  assert.match(await page.locator('#note').textContent(), /lost its connection/);
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.screenshot({ path: `${shots}/1280x800-lost-dark.png` });
  served = run(new URL(site).host);
  await served.found;
  await page.waitForFunction(() => document.querySelector('#state')?.textContent === 'Live', undefined, { timeout: 30000 });
  step('comes back by itself after the program was gone');

  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width: 1920, height: 1080 });
    await page.goto(`${site}?kiosk`);
    await page.waitForFunction(() => document.querySelector('#state')?.textContent === 'Live');
    await page.waitForTimeout(Number(process.env.SETTLE_MS ?? 3000));
    await page.screenshot({ path: `${shots}/1920x1080-kiosk-${scheme}.png` });
    await accessible(`kiosk, ${scheme}`);
    const least = await page.evaluate(() => Math.min(...[...document.querySelectorAll('#queue-rows [data-column=waiting] b, #tiles b')].map((b) => parseFloat(getComputedStyle(b).fontSize))));
    assert.ok(least >= 40, `a number of ${least} px cannot be read from five metres`);
    const spill = await page.evaluate(() => document.documentElement.scrollHeight - innerHeight);
    assert.ok(spill <= 0, `${spill} px below the screen`);
  }
  step('readable on a wall');

  // A replay is not live.
  const recording = `${shots}/recording.jsonl`;
  rmSync(recording, { force: true });
  const recorded = start(['demo', '--output', 'none', '--duration', '4', '--record', recording], {}, /(page and metrics)/);
  recorded.child.removeAllListeners('exit');
  await ended(recorded.child);
  const replay = start(['replay', recording, '--speed', '0.1', '--output', 'none', '--listen', '127.0.0.1:0'], {}, /page and metrics: (http:\S+)/);
  const replayed = await replay.found;
  origins.add(new URL(replayed).origin);
  await page.goto(replayed);
  await page.waitForFunction(() => document.querySelector('#state').textContent.startsWith('Replay of '));
  assert.notEqual(await page.locator('#link').getAttribute('class'), 'live');
  step('a replay is named');
  const unexpected = complaints.filter((text) => !/ERR_(CONNECTION|INCOMPLETE|EMPTY)/.test(text));
  assert.deepEqual(unexpected, [], 'console');
  assert.deepEqual(foreign, [], 'requests that left the host');
  step('no console error, no request left the host');
} finally {
  await browser.close();
  endAll();
}
