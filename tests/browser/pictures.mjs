// The pictures of the README: the live page and the screen on a terminal, of the demo.
// In: the program, Chromium, `script` (util-linux) · Out: page.png and terminal.png in the directory given
// usage: node pictures.mjs PROGRAM DIR
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import assert from 'node:assert/strict';
import { endAll, launch, start, step } from './harness.mjs';
import { small } from './png.mjs';

const [program, pictures] = process.argv.slice(2);
const COLUMNS = 120;
const ROWS = 36;
const MAX_BYTES = 120_000;
// The charts need some minutes.
const SETTLE_MS = Number(process.env.SETTLE_MS ?? 240_000);
const CENTRE = ['--seed', '3', '--queue', 'all', '--user', 'queue-members'];
const SETTINGS = {
  totals: { since: 'day' },
  thresholds: { default: { waiting: [3, 6], longest_wait_secs: [30, 120], service_level_percent: [80, 50], for_secs: 10 } },
};

const folder = mkdtempSync(join(tmpdir(), 'genesys-stream-'));
const config = join(folder, 'config.json');
writeFileSync(config, JSON.stringify(SETTINGS));
const demo = ['demo', '--config', config, ...CENTRE];

/** The program on a terminal of its own; `screen()` is the last whole screen that it drew. */
function onTerminal() {
  const quoted = [program, ...demo].map((word) => `'${word}'`).join(' ');
  const command = `stty cols ${COLUMNS} rows ${ROWS}; exec ${quoted}`;
  const env = { ...process.env, TERM: 'xterm-256color', NO_COLOR: '' };
  const child = spawn('script', ['-qec', command, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (data) => {
    // One screen is at most some 20 KB.
    text = (text + data).slice(-100_000);
  });
  return {
    screen() {
      const end = text.lastIndexOf('\x1b[?2026l');
      return text.slice(text.lastIndexOf('\x1b[?2026h', end) + 8, end);
    },
    // The key `q` ends the program in order.
    end: () => child.stdin.write('q'),
  };
}

const escaped = (text) => text.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]);

/** A screen as HTML: each line is placed by `CSI row;1H`; colours are SGR codes, which become classes. */
function html(screen) {
  const lines = Array(ROWS).fill('');
  for (const part of screen.split(/\x1b\[(?=\d+;1H)/).slice(1)) {
    const [, row, line] = part.match(/^(\d+);1H([^]*)$/);
    // What erases has nothing to erase here.
    const pieces = line.replace(/\x1b\[[KJ]/g, '').split('\x1b[');
    const [first, ...styled] = pieces;
    let codes = [];
    const spans = styled.map((piece) => {
      const [, code, text] = piece.match(/^([\d;]*)m([^]*)$/);
      codes = code === '0' || code === '' ? [] : [...codes, ...code.split(';')];
      return `<span class="${codes.map((c) => `c${c}`).join(' ')}">${escaped(text)}</span>`;
    });
    if (line !== '\x1b[J' && line !== '') lines[row - 1] = escaped(first) + spans.join('');
  }
  return `<!doctype html><meta charset="utf-8"><style>
    body { margin: 0; background: #14181d; color: #d6dbe1; }
    pre { display: inline-block; margin: 0; padding: 12px 14px; font: 14px/17px "DejaVu Sans Mono", monospace; }
    .c1 { font-weight: bold; } .c2 { opacity: .55; } .c7 { background: #d6dbe1; color: #14181d; }
    .c31 { color: #ff7b72; } .c32 { color: #5fc77a; } .c33 { color: #e3b341; } .c36 { color: #56c8d8; }
  </style><pre>${lines.join('\n')}</pre>`;
}

const terminal = onTerminal();
const served = start(program, [...demo, '--output', 'none', '--listen', '127.0.0.1:0'], {}, /page and metrics: (http:\S+)/);
const browser = await launch();
const write = (name, picture) => {
  const png = small(picture);
  assert.ok(png.length <= MAX_BYTES, `${name}: ${png.length} bytes`);
  writeFileSync(join(pictures, name), png);
  step(`${name}: ${png.length} bytes`);
};
mkdirSync(pictures, { recursive: true });
try {
  const page = await browser.newPage({ viewport: { width: 1366, height: 768 }, colorScheme: 'light', locale: 'en-GB', timezoneId: 'UTC' });
  await page.goto(await served.found);
  await page.waitForFunction(() => document.querySelector('#state')?.textContent === 'Live');
  await page.waitForTimeout(SETTLE_MS);
  write('page.png', await page.screenshot());

  await page.goto('about:blank');
  await page.setContent(html(terminal.screen()));
  assert.match(await page.locator('pre').textContent(), /streaming[^]*waiting/);
  write('terminal.png', await page.locator('pre').screenshot());
} finally {
  terminal.end();
  await browser.close();
  endAll();
  rmSync(folder, { recursive: true });
}
