// How the provider reaches its clients: no name of a client resolves on a test's machine.

import { readFileSync } from 'node:fs';
import http from 'node:http';

/**
 * A `fetch` that sends every request to the address in `file` by plain http, under the name that its URL has.
 * Only the status of the answer is kept, which is all that the provider looks at.
 */
export function deliveryTo(file) {
  return (url, { method, headers, body, signal }) =>
    new Promise((done, failed) => {
      const { host, pathname, search } = new URL(url);
      const [hostname, port] = readFileSync(file, 'utf8').trim().split(':');
      const bytes = Buffer.from(String(body ?? ''));
      const request = http.request({
        hostname,
        port,
        method,
        path: pathname + search,
        // A fresh connection each: the edge may have been replaced in between.
        agent: false,
        signal,
        headers: { ...Object.fromEntries(headers), host, 'content-length': bytes.length },
      });
      request.on('error', failed);
      request.on('response', (response) => {
        response.resume();
        done(new Response(null, { status: response.statusCode }));
      });
      request.end(bytes);
    });
}
