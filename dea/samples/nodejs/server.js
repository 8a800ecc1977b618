// Says hello, and for how long it has been up.
const http = require("http");
const ms = require("ms");

const started = Date.now();
const server = http.createServer((request, response) => {
  response.end(`Hello from Node.js, up for ${ms(Date.now() - started)}\n`);
});
server.listen(process.env.PORT, () => console.log(`listening on ${process.env.PORT}`));
process.on("SIGTERM", () => server.close(() => process.exit(0)));
