// A client of HTTP for tests: `http_client.cjs LIBRARY VERSION CA`, LIBRARY is the folder of undici, or http2 for what Node
// itself has, VERSION is h1 or h2. It reads calls as lines of JSON and writes what came of each as a line;
// tests/e2e/test_http_clients.py says what is in them.
'use strict';
const fs = require('fs');
const http2 = require('http2');
const readline = require('readline');
const {Readable} = require('stream');

const [library, version, trust] = process.argv.slice(2);
const ca = fs.readFileSync(trust);

function* pieces(call) {
  const body = Buffer.from(call.body || '', 'base64');
  for (let at = 0; at < body.length; at += 10000) yield body.subarray(at, at + 10000);
  while (call.endless) yield Buffer.alloc(10000);
}

const streamed = call => call.streamed || call.endless;
const whole = call => call.body ? Buffer.from(call.body, 'base64') : undefined;
// Of what libraries give: an object whose values are texts or lists of texts.
const pairs = of => Object.entries(of || {}).flatMap(([name, values]) => [values].flat().map(value => [name, `${value}`]));

function withUndici() {
  const undici = require(library);
  const dispatcher = new undici.Agent({connect: {ca}, allowH2: version === 'h2'});
  return async (call, signal, leave) => {
    const response = await undici.request(call.url, {
      method: call.method, headers: call.headers.flat(), dispatcher, signal,
      body: streamed(call) ? Readable.from(pieces(call)) : whole(call),
    });
    const said = {status: response.statusCode, headers: pairs(response.headers)};
    if (call.leave === 'head') {
      response.body.on('error', () => {});
      leave();
      return said;
    }
    said.body = Buffer.from(await response.body.arrayBuffer()).toString('base64');
    return {...said, trailers: pairs(response.trailers)};
  };
}

function withHttp2() {
  const sessions = {};
  const sessionTo = origin => {
    if (!sessions[origin] || sessions[origin].closed) {
      sessions[origin] = http2.connect(origin, {ca});
      sessions[origin].on('error', () => {});
    }
    return sessions[origin];
  };
  return (call, signal) => new Promise((resolve, reject) => {
    const url = new URL(call.url);
    const head = {':method': call.method, ':path': url.pathname + url.search, ...Object.fromEntries(call.headers)};
    const body = streamed(call) ? undefined : whole(call);
    if (body) head['content-length'] = body.length;
    const stream = sessionTo(url.origin).request(head, {
      endStream: !streamed(call) && !body, waitForTrailers: Boolean(call.trailers), signal});
    const said = {headers: [], trailers: []}, parts = [];
    stream.on('error', reject);
    stream.on('wantTrailers', () => stream.sendTrailers(Object.fromEntries(call.trailers)));
    stream.on('response', fields => {
      said.status = fields[':status'];
      said.headers = pairs(fields);
      if (call.leave === 'head') {
        stream.close(http2.constants.NGHTTP2_CANCEL);
        resolve(said);
      }
    });
    stream.on('trailers', fields => said.trailers = pairs(fields));
    stream.on('data', part => parts.push(part));
    stream.on('end', () => resolve({...said, body: Buffer.concat(parts).toString('base64')}));
    if (streamed(call)) Readable.from(pieces(call)).on('error', () => {}).pipe(stream);
    else if (body) stream.end(body);
  });
}

async function main() {
  const send = library === 'http2' ? withHttp2() : withUndici();
  const lines = readline.createInterface({input: process.stdin})[Symbol.asyncIterator]();
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    const call = JSON.parse(line.value), stop = new AbortController();
    const once = () => send(call, stop.signal, () => stop.abort()).catch(error => ({error: `${error.name}: ${error.message}`}));
    const calls = Array.from({length: call.times || 1}, once);
    if (call.leave === 'told') {
      await lines.next();
      stop.abort();
    }
    const said = await Promise.all(calls);
    console.log(JSON.stringify(said.find(other => other.status !== said[0].status) || said[0]));
  }
  process.exit(0);
}

main();
