// An application for node that knows nothing of Ring3: it serves from the listening socket that it
// is started with, as systemd gives it (LISTEN_FDS), or from a port of its own.
//
//   ring3ctl run --url http://+:8080/notes/ -- node etc/examples/node-app.js
const http = require('node:http');

const server = http.createServer((request, response) => {
  let count = 0;
  request.on('data', (part) => { count += part.length; });
  request.on('end', () => {
    response.setHeader('Content-Type', 'text/plain');
    response.end(`${process.pid} ${request.url}${count > 0 ? ` ${count} bytes` : ''}\n`);
  });
});
server.listen(process.env.LISTEN_FDS ? { fd: 3 } : { host: '127.0.0.1', port: 3000 });

// Told to end: nothing more is accepted, and what is under way is answered.
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
