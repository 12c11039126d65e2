// Opens a WebSocket and talks to `streams.mjs` over it: `node websocket.mjs JSON`.
//
// JSON: `address`, `path`, `headers`, `from` (the address to send from), `messages` (how many), `bytes` (of the largest);
// `http2` (true: asked for by HTTP/2's extended CONNECT, RFC 8441, to see what becomes of that alone).
// Standard output, a JSON object: of one that was opened `seen`, the headers that the server got, `text`, `binary` and
// `ordered`, whether what came back was what was sent, and `answer`, the headers of the 101; else `status` and `answer`.

import { randomBytes } from 'node:crypto';
import http2 from 'node:http2';
import { WebSocket } from 'ws';

const PATIENCE_MS = 20_000;

const told = JSON.parse(process.argv[2]);
setTimeout(() => end({ error: 'no end in time' }), PATIENCE_MS).unref();

function end(result) {
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}

/** Asks by HTTP/2, and says the status. */
function ask({ address, path, headers: { Host, ...headers } }) {
  const session = http2.connect(`http://${address}`);
  session.on('error', (error) => end({ error: error.message }));
  session.on('remoteSettings', () => {
    const stream = session.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'http',
      ':authority': Host,
      ':path': path,
      'sec-websocket-version': '13',
      ...headers,
    });
    stream.on('response', ({ ':status': status, ...answer }) => end({ status, answer }));
    stream.on('error', (error) => end({ error: error.message }));
  });
}

function open({ address, path, headers, from, messages = 0, bytes = 0 }) {
  const socket = new WebSocket(`ws://${address}${path}`, { headers, localAddress: from, perMessageDeflate: false });
  const arrived = [];
  let wake = () => {};
  let answer = {};

  async function next() {
    while (arrived.length === 0) {
      await new Promise((done) => (wake = done));
    }
    return arrived.shift();
  }

  socket.on('upgrade', (response) => (answer = response.headers));
  socket.on('unexpected-response', (_, response) => end({ status: response.statusCode, answer: response.headers }));
  socket.on('error', (error) => end({ error: error.message }));
  socket.on('message', (data, binary) => {
    arrived.push({ data, binary });
    wake();
  });
  socket.on('open', async () => {
    socket.send('with which headers?');
    const seen = JSON.parse((await next()).data.toString());
    socket.send('grüße');
    const text = await next();
    const large = randomBytes(bytes);
    socket.send(large);
    const back = await next();
    for (let number = 0; number < messages; number += 1) {
      socket.send(`message ${number}`);
    }
    let ordered = true;
    for (let number = 0; number < messages; number += 1) {
      ordered &&= (await next()).data.toString() === `message ${number}`;
    }
    socket.once('close', (code) =>
      end({
        status: 101,
        answer,
        seen,
        text: !text.binary && text.data.toString() === 'grüße',
        binary: back.binary && large.equals(back.data),
        ordered,
        closed: code,
      }),
    );
    socket.close(1000);
  });
}

told.http2 ? ask(told) : open(told);
