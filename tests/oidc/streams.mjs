// An application that keeps streams open: a WebSocket server that echoes, and a gRPC server.
//
// Standard output: `listening {"websocket":PORT,"grpc":PORT}`, each on 127.0.0.1.

import { createServer } from 'node:http';
import grpc from '@grpc/grpc-js';
import { WebSocketServer } from 'ws';
import { ECHO } from './echo.mjs';

/** Longest message, in bytes: more than any scene sends. */
const MAX_MESSAGE = 4 << 20;

const http = createServer((_, response) => response.writeHead(426).end());
new WebSocketServer({ server: http, maxPayload: MAX_MESSAGE }).on('connection', (socket, request) => {
  socket.on('error', () => socket.terminate());
  // To the first message what it was opened with, to each other one itself. Never before: the local edge runtime loses
  // what a server says together with its 101.
  socket.once('message', () => {
    socket.send(JSON.stringify(request.headers));
    socket.on('message', (data, binary) => socket.send(data, { binary }));
  });
});

const calls = new grpc.Server({ 'grpc.max_receive_message_length': MAX_MESSAGE });
calls.addService(ECHO, {
  /** One message there, one back: what was sent, and with which metadata. */
  Unary: (call, done) => {
    const answer = { body: call.request.toString(), metadata: call.metadata.getMap() };
    done(null, Buffer.from(JSON.stringify(answer)));
  },
  /** Each character of the message as a message. */
  Down: (call) => {
    [...call.request.toString()].forEach((one) => call.write(Buffer.from(one)));
    call.end();
  },
  /** All messages as one. */
  Up: (call, done) => {
    const parts = [];
    call.on('data', (part) => parts.push(part));
    call.on('end', () => done(null, Buffer.concat(parts)));
    call.on('error', () => {});
  },
  /** Each message back as it comes; `stop` ends it, whatever the client has still to say. */
  Both: (call) => {
    const stop = () => call.emit('error', { code: grpc.status.ABORTED, details: 'stopped' });
    call.on('data', (message) => (message.toString() === 'stop' ? stop() : call.write(message)));
    call.on('end', () => call.end());
    call.on('error', () => {});
  },
  /** An error of the application's own. */
  Fail: (_, done) => {
    const metadata = new grpc.Metadata();
    metadata.set('order', 'closed');
    done({ code: grpc.status.FAILED_PRECONDITION, details: 'the order is closed: äöü', metadata });
  },
});

const listen = (server) => new Promise((done) => server.listen(0, '127.0.0.1', () => done(server.address().port)));
const bind = () =>
  new Promise((done, fail) =>
    calls.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
      error ? fail(error) : done(port),
    ),
  );
console.log(`listening ${JSON.stringify({ websocket: await listen(http), grpc: await bind() })}`);
