// Signs requests to a host as a bot does: `node sign-bot.mjs KEY AUTHORITY AGENT`.
//
// KEY is a file with an Ed25519 private JWK, AGENT what the bot calls itself: it goes into `Signature-Agent` as one
// string, the form of the drafts that the library knows. Host and name are signed, for five minutes.
// Standard output: the three headers, a JSON object.

import { readFileSync } from 'node:fs';
import { signatureHeaders } from 'web-bot-auth';
import { signerFromJWK } from 'web-bot-auth/crypto';

const LIFETIME_MS = 300_000;

const [file, authority, agent] = process.argv.slice(2);
if (!agent) {
  console.error('usage: node sign-bot.mjs KEY AUTHORITY AGENT');
  process.exit(2);
}

const named = { 'Signature-Agent': JSON.stringify(agent) };
const request = { method: 'GET', url: `http://${authority}/`, headers: named };
const created = new Date();
const expires = new Date(created.getTime() + LIFETIME_MS);
const signer = await signerFromJWK(JSON.parse(readFileSync(file, 'utf8')));
console.log(JSON.stringify({ ...named, ...(await signatureHeaders(request, signer, { created, expires })) }));
