// The gRPC service of `streams.mjs`. A message is the bytes that it is: no .proto says more.

const same = (bytes) => bytes;

const method = (name, requestStream, responseStream) => ({
  path: `/echo.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});

export const ECHO = {
  Unary: method('Unary', false, false),
  Down: method('Down', false, true),
  Up: method('Up', true, false),
  Both: method('Both', true, true),
  Fail: method('Fail', false, false),
};
