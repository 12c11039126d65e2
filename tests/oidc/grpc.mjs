// Calls the gRPC service of `streams.mjs`: `node grpc.mjs JSON`.
//
// JSON: `address`, `host`, `method`, `metadata`, `messages` (texts), `bare` (true: no gRPC client, to see the frames).
// Of a streaming method each message is sent once the one before it has come back, where messages come back.
// Standard output, a JSON object: `code`, `details`, `metadata` (that of the head and the trailers), `trailers` (what an
// error of the client has), `messages`; of a bare one
// `headers`, `trailers`, `only_headers`, whether the stream ended with its first frame.

import http2 from 'node:http2';
import grpc from '@grpc/grpc-js';
import { ECHO } from './echo.mjs';

const PATIENCE_MS = 20_000;

const { address, host, method, metadata = {}, messages = [], bare = false } = JSON.parse(process.argv[2]);
setTimeout(() => end({ error: 'no end in time' }), PATIENCE_MS).unref();

function end(result) {
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}

function call() {
  const Client = grpc.makeGenericClientConstructor(ECHO, 'echo.Echo');
  const client = new Client(address, grpc.credentials.createInsecure(), {
    'grpc.default_authority': host,
    'grpc.enable_retries': 0,
  });
  const sent = new grpc.Metadata();
  Object.entries(metadata).forEach(([name, value]) => sent.set(name, value));
  const got = { messages: [], metadata: {}, trailers: {} };
  const take = (more) => Object.assign(got.metadata, more.getMap());
  const options = { deadline: Date.now() + PATIENCE_MS };
  const { requestStream, responseStream } = ECHO[method];
  const bodies = messages.map((text) => Buffer.from(text));
  const first = requestStream ? [] : [bodies[0] ?? Buffer.alloc(0)];
  const done = (_, body) => body && got.messages.push(body.toString());
  const stream = client[method](...first, sent, options, ...(responseStream ? [] : [done]));
  const send = () => {
    const next = bodies.shift();
    next === undefined ? stream.end() : stream.write(next);
  };
  stream.on('metadata', take);
  stream.on('error', () => {});
  stream.on('status', ({ code, details, metadata: trailers }) => {
    take(trailers);
    got.trailers = trailers.getMap();
    // The answer of a call without a stream of them comes after its status.
    setImmediate(() => end({ code, details, ...got }));
  });
  if (responseStream) {
    stream.on('data', (message) => {
      got.messages.push(message.toString());
      if (requestStream) {
        send();
      }
    });
  }
  if (requestStream && responseStream) {
    send();
  } else if (requestStream) {
    bodies.splice(0).forEach((body) => stream.write(body));
    stream.end();
  }
}

function show() {
  const session = http2.connect(`http://${address}`);
  session.on('error', (error) => end({ error: error.message }));
  const stream = session.request({
    ':method': 'POST',
    ':path': `/echo.Echo/${method}`,
    ':authority': host,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...metadata,
  });
  const got = { trailers: {} };
  stream.on('response', (headers, flags) => {
    got.headers = headers;
    got.only_headers = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0;
  });
  stream.on('trailers', (trailers) => (got.trailers = trailers));
  stream.on('error', (error) => end({ ...got, error: error.message }));
  stream.on('end', () => end(got));
  stream.resume();
  // An empty message, not compressed.
  stream.end(Buffer.alloc(5));
}

bare ? show() : call();
