// Makes keys for the provider: `node keys.mjs FILE keep|drop ALGORITHM…`.
//
// A fresh key of each algorithm (RS256, ES256, EdDSA) goes to the front of the JWKS in FILE, where it is the one that
// signs. `keep` leaves the older ones behind it, `drop` takes those of the same algorithm out.
// Standard output: the id of each new key, a line each.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

const KINDS = {
  RS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  EdDSA: ['ed25519'],
};

const [file, older, ...algorithms] = process.argv.slice(2);
if (!['keep', 'drop'].includes(older) || !algorithms.every((alg) => Object.hasOwn(KINDS, alg))) {
  console.error(`usage: node keys.mjs FILE keep|drop ALGORITHM…, of ${Object.keys(KINDS).join(', ')}`);
  process.exit(2);
}

const known = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).keys : [];
const kept = older === 'keep' ? known : known.filter(({ alg }) => !algorithms.includes(alg));
const fresh = algorithms.map((alg) => ({
  ...generateKeyPairSync(...KINDS[alg]).privateKey.export({ format: 'jwk' }),
  kid: `${alg}-${randomBytes(6).toString('hex')}`,
  alg,
  use: 'sig',
}));
writeFileSync(`${file}.new`, JSON.stringify({ keys: [...fresh, ...kept] }), { mode: 0o600 });
renameSync(`${file}.new`, file);
fresh.forEach(({ kid }) => console.log(kid));
