// Tells how Node.js reads a request: [kind, name, value] a line of an array.
import http from 'node:http';
import path from 'node:path';

const attempt = (read) => {
  try {
    return read() ?? '';
  } catch {
    return '';
  }
};

const server = http.createServer((request, response) => {
  const { url, headers, rawHeaders } = request;
  const [raw] = url.split('?');
  const parsed = attempt(() => new URL(url, 'http://base.example.test'));
  const decoded = attempt(() => decodeURIComponent(raw));
  const told = [
    ['path', 'decodeURIComponent', decoded],
    ['path', 'url', url],
    ['path', 'URL', attempt(() => parsed.pathname)],
    ['path', 'URL decoded', attempt(() => decodeURIComponent(parsed.pathname))],
    ['path', 'normalize', attempt(() => path.posix.normalize(decoded))],
    ['host', 'host', headers.host ?? ''],
    ['host', 'URL', parsed && parsed.host !== 'base.example.test' ? parsed.host : ''],
  ];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    told.push(['header', rawHeaders[index], rawHeaders[index + 1]]);
  }
  request.resume();
  request.on('end', () => {
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(told));
  });
});

server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('listening'));
