// Counts and hashes what arrives, and sends as much as it is asked for: the other end of a large body.
// `stream.mjs PORT`; `?bytes=N` sends N bytes with their length, `?bytes=N&chunked` in chunks.
import { createHash } from 'node:crypto';
import http from 'node:http';
import { pipeline } from 'node:stream/promises';

const PIECE = 64 * 1024;
const pattern = Buffer.from(Array.from({ length: PIECE }, (_, index) => index % 249));

// No two pieces alike, so that one lost, doubled or moved changes the digest.
async function* pieces(bytes, hash) {
  for (let left = bytes, number = 0; left > 0; left -= PIECE, number += 1) {
    const piece = Buffer.from(pattern.subarray(0, Math.min(left, PIECE)));
    piece.set([number >>> 24, number >>> 16, number >>> 8, number].map((part) => part & 255).slice(-piece.length));
    hash.update(piece);
    yield piece;
  }
}

async function send(request, response, bytes, chunked) {
  response.setHeader('Content-Type', 'application/octet-stream');
  if (!chunked) response.setHeader('Content-Length', bytes);
  const hash = createHash('sha256');
  await pipeline(pieces(bytes, hash), response);
  console.log(JSON.stringify({ url: request.url, bytes, sha256: hash.digest('hex') }));
}

async function take(request, response) {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    hash.update(chunk);
  }
  const { method, url, httpVersion, rawHeaders } = request;
  const headers = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    headers.push([rawHeaders[index], rawHeaders[index + 1]]);
  }
  const line = `${method} ${url} HTTP/${httpVersion}`;
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify({ pool: 'stream', line, headers, bytes, sha256: hash.digest('hex') }));
}

const server = http.createServer((request, response) => {
  const query = new URL(request.url, 'http://base.example.test').searchParams;
  const bytes = query.get('bytes');
  const done = bytes === null
    ? take(request, response)
    : send(request, response, Number(bytes), query.has('chunked'));
  // Who goes away in the middle is no fault of this server's.
  done.catch(() => response.destroy());
});

server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('listening'));
