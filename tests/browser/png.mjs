// Makes a PNG small: at most 256 colours, and one byte per pixel.
// In: a PNG as Chromium writes it (8 bits per channel, RGB or RGBA, not interlaced) · Out: a PNG with a palette
import assert from 'node:assert/strict';
import { deflateSync, inflateSync } from 'node:zlib';

const COLOURS = 256;

/** The pixels of a PNG, three bytes each. */
function pixels(png) {
  const width = png.readUInt32BE(16);
  const height = png.readUInt32BE(20);
  const channels = { 2: 3, 6: 4 }[png[25]];
  assert.ok(png[24] === 8 && channels && png[28] === 0, 'not a PNG of Chromium');
  const parts = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  }
  const filtered = inflateSync(Buffer.concat(parts));
  const stride = width * channels;
  const bytes = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = filtered[y * (stride + 1)];
    for (let x = 0; x < stride; x++) {
      const at = y * stride + x;
      const left = x >= channels ? bytes[at - channels] : 0;
      const above = y ? bytes[at - stride] : 0;
      const corner = x >= channels && y ? bytes[at - stride - channels] : 0;
      const [a, b, c] = [left, above, corner].map((one) => Math.abs(left + above - corner - one));
      const paeth = a <= b && a <= c ? left : b <= c ? above : corner;
      bytes[at] = filtered[y * (stride + 1) + 1 + x] + [0, left, above, (left + above) >> 1, paeth][filter];
    }
  }
  const rgb = (n) => (bytes[n * channels] << 16) | (bytes[n * channels + 1] << 8) | bytes[n * channels + 2];
  return { width, height, colours: Uint32Array.from({ length: width * height }, (_, n) => rgb(n)) };
}

const distance = (one, other) => [16, 8, 0].reduce((sum, bits) => sum + (((one >> bits) & 255) - ((other >> bits) & 255)) ** 2, 0);

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  let crc = -1;
  for (const byte of body) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(~crc >>> 0);
  return Buffer.concat([length, body, sum]);
}

/** The same picture in the 256 colours that occur most often; all others become the nearest of these. */
export function small(png) {
  const { width, height, colours } = pixels(png);
  const counts = new Map();
  for (const colour of colours) counts.set(colour, (counts.get(colour) ?? 0) + 1);
  const palette = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, COLOURS).map(([colour]) => colour);
  const index = new Map();
  for (const colour of counts.keys()) {
    const nearest = palette.reduce((best, one, n) => (distance(one, colour) < distance(palette[best], colour) ? n : best), 0);
    index.set(colour, nearest);
  }
  // Each row begins with its filter, 0: none.
  const rows = Buffer.alloc((width + 1) * height);
  colours.forEach((colour, n) => { rows[Math.floor(n / width) * (width + 1) + 1 + (n % width)] = index.get(colour); });
  const header = Buffer.from(png.subarray(16, 29));
  header[9] = 3;
  return Buffer.concat([
    png.subarray(0, 8),
    chunk('IHDR', header),
    chunk('PLTE', Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]))),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
