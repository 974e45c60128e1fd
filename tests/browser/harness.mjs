// What the browser tests share: programs that end with the test, Chromium, the accessibility scan, a scripted page.
// In: the program · Out: helpers · usage: imported
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

export const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const children = [];

/** Starts the program; `found` resolves with the first match of `wanted` in what it prints. */
export function start(program, args, env, wanted) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  const found = new Promise((resolve, reject) => {
    let text = '';
    const look = (data) => {
      text += data;
      const match = text.match(wanted);
      if (match) resolve(match[1]);
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.on('exit', () => reject(new Error(`ended early: ${text}`)));
  });
  return { child, found };
}

export function endAll() {
  for (const child of children) {
    child.removeAllListeners('exit');
    child.kill('SIGKILL');
  }
}

export const ended = (child) => new Promise((resolve) => child.once('exit', resolve));
export const step = (text) => console.log(`ok  ${text}`);

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });

/** Fails where the page breaks a rule of accessibility. */
export async function accessible(page, what) {
  const { violations } = await page.evaluate(() => axe.run());
  const list = violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160)).join(' | ')}`);
  assert.deepEqual(list, [], `accessibility, ${what}`);
  step(`accessible: ${what}`);
}

/**
 * The page of `site` as the program serves it, with pictures that the test makes: `show(picture)` sends a whole one. `days` has
 * the windows of the chart by the query of ids: `queue=a`.
 */
export async function scripted(site) {
  const viewers = new Set();
  let newest = '';
  const days = {};
  const server = createServer(async (request, response) => {
    if (request.url === '/api/page') {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.write(newest);
      viewers.add(response);
      response.on('close', () => viewers.delete(response));
      return;
    }
    if (request.url.startsWith('/api/page/day?')) {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      return response.end(JSON.stringify(days[request.url.split('?')[1]] ?? {}));
    }
    const page = await fetch(site);
    const policy = page.headers.get('content-security-policy');
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': policy });
    response.end(await page.text());
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${server.address().port}/`,
    days,
    show(picture) {
      newest = `data: ${JSON.stringify({ whole: true, patch: picture })}\n\n`;
      for (const viewer of viewers) viewer.write(newest);
    },
    /** Sends a difference to those who look now. */
    patch(patch) {
      for (const viewer of viewers) viewer.write(`data: ${JSON.stringify({ whole: false, patch })}\n\n`);
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
