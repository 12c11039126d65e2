// A real OpenID provider for the end-to-end tests: `node provider.mjs CONFIGURATION`.
//
// The configuration is a JSON file:
//   issuer     an https URL without a path: what discovery names, whoever asks and however
//   port       on 127.0.0.1; 0 for a free one
//   jwks       path of a JWKS with private keys; the first one of an algorithm signs
//   clients    metadata as in OpenID Connect Dynamic Client Registration, and `groups` for a client's own tokens
//   accounts   { name: { groups: [...] } }; no passwords
//   resources  URIs that an access token may be asked for (RFC 8707); it is a JWT (RFC 9068)
//   ttl        lifetimes in seconds that are not as below, by the library's names: AccessToken, IdToken, Session, …
//   deliver_to path of a file that names `address:port`: where logout tokens go, whatever name their URL has.
//              Read at each delivery, since what listens there starts later than this
//
// Standard output: `listening PORT`, then a JSON object a line for what happened: `{"event": …}`.
// All state is in memory: a restart ends every session here.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';

import { Provider, errors } from 'oidc-provider';

import { deliveryTo } from './delivery.mjs';
import { logInPage, logOutPage, loggedOutPage, errorPage } from './pages.mjs';

/** Longest body of a log-in form, in characters. */
const MAX_FORM = 16 * 1024;
/** Lifetimes in seconds. */
const TTL = {
  AccessToken: 3600,
  AuthorizationCode: 60,
  ClientCredentials: 3600,
  Grant: 86_400,
  IdToken: 3600,
  Interaction: 600,
  Session: 86_400,
};

const configuration = readConfiguration(process.argv[2]);
const provider = new Provider(configuration.issuer, {
  jwks: JSON.parse(readFileSync(configuration.jwks, 'utf8')),
  clients: configuration.clients,
  extraClientMetadata: { properties: ['groups'] },
  clientDefaults: { grant_types: ['authorization_code'], response_types: ['code'] },
  enabledJWA: {
    idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'],
  },
  scopes: ['openid', 'groups'],
  claims: { openid: ['sub'], groups: ['groups'] },
  pkce: { required: () => true },
  ttl: { ...TTL, ...configuration.ttl },
  responseTypes: ['code'],
  cookies: { keys: [randomBytes(32).toString('base64url')] },
  findAccount: (ctx, name) => account(name),
  loadExistingGrant: consent,
  // A client's own token has no account.
  extraTokenClaims: (ctx, token) => ({ groups: token.accountId ? groupsOf(token.accountId) : (ctx.oidc.client.groups ?? []) }),
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  renderError: (ctx, out) => {
    ctx.type = 'html';
    ctx.body = errorPage(out);
  },
  // No script of another origin has any business here.
  clientBasedCORS: () => false,
  fetch: deliveryTo(configuration.deliver_to),
  features: {
    devInteractions: { enabled: false },
    // Without it the groups stand in the ID token itself, where the edge reads them.
    userinfo: { enabled: false },
    clientCredentials: { enabled: true },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx, form) => {
        ctx.body = logOutPage(form);
      },
      postLogoutSuccessSource: (ctx) => {
        ctx.body = loggedOutPage();
      },
    },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, resource, client) => resourceServer(resource, client),
    },
  },
});
// The front says that the browser came by https; see `front` below.
provider.proxy = true;
tellWhatHappens();

const answer = provider.callback();
const server = http.createServer((request, response) => {
  front(request);
  const interaction = /^\/interaction\/[\w-]+$/.test(request.url);
  const done = interaction ? interact(request, response) : answer(request, response);
  Promise.resolve(done).catch((error) => {
    tell({ event: 'failed', line: `${request.method} ${request.url}`, error: String(error) });
    if (!response.headersSent) {
      response.writeHead(400, { 'content-type': 'text/html; charset=utf-8' });
    }
    response.end(errorPage({ error: error.error ?? 'server_error', error_description: error.error_description }));
  });
});
server.on('error', (error) => {
  console.error(`cannot listen on 127.0.0.1:${configuration.port}: ${error.message}`);
  process.exit(1);
});
server.listen(configuration.port ?? 0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));

function readConfiguration(path) {
  if (path === undefined) {
    console.error('usage: node provider.mjs CONFIGURATION');
    process.exit(2);
  }
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** The issuer's own name and https for every request: the edge, too, asks by plain http from within. */
function front(request) {
  request.headers.host = new URL(configuration.issuer).host;
  request.headers['x-forwarded-proto'] = 'https';
  delete request.headers['x-forwarded-host'];
}

function groupsOf(name) {
  return configuration.accounts[name]?.groups ?? [];
}

function account(name) {
  if (!Object.hasOwn(configuration.accounts, name)) {
    return undefined;
  }
  return { accountId: name, claims: () => ({ sub: name, groups: groupsOf(name) }) };
}

/** Everything that is asked for is granted: nobody is asked. */
async function consent(ctx) {
  const { client, session, account: who, params, resourceServers } = ctx.oidc;
  const known = session.grantIdFor(client.clientId);
  const found = known && (await provider.Grant.find(known));
  const accountId = who?.accountId ?? session.accountId;
  const grant = found || new provider.Grant({ clientId: client.clientId, accountId });
  grant.addOIDCScope(params.scope);
  for (const resource of Object.keys(resourceServers ?? {})) {
    grant.addResourceScope(resource, params.scope);
  }
  await grant.save();
  return grant;
}

function resourceServer(resource, client) {
  if (!(configuration.resources ?? []).includes(resource)) {
    throw new errors.InvalidTarget(`no resource ${resource}`);
  }
  return {
    scope: 'openid groups',
    audience: resource,
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: client.idTokenSignedResponseAlg } },
  };
}

/** The log-in: a form, or none at all where the client says by `login_hint` whose it is. */
async function interact(request, response) {
  const details = await provider.interactionDetails(request, response);
  if (details.prompt.name !== 'login') {
    throw new Error(`prompt ${details.prompt.name} is not expected: consent is granted beforehand`);
  }
  const typed = request.method === 'POST' ? await field(request, 'login') : details.params.login_hint;
  if (typed !== undefined && account(typed)) {
    tell({ event: 'logged-in', account: typed });
    await provider.interactionFinished(request, response, { login: { accountId: typed } });
    return;
  }
  response.writeHead(typed === undefined ? 200 : 403, { 'content-type': 'text/html; charset=utf-8' });
  response.end(logInPage(request.url, typed));
}

async function field(request, name) {
  let body = '';
  for await (const chunk of request.setEncoding('utf8')) {
    body += chunk;
    if (body.length > MAX_FORM) {
      throw new Error(`a form of more than ${MAX_FORM} characters`);
    }
  }
  return new URLSearchParams(body).get(name) ?? '';
}

function tellWhatHappens() {
  provider.on('authorization.error', (ctx, error) => tell({ event: 'authorization.error', ...why(error) }));
  provider.on('grant.error', (ctx, error) => tell({ event: 'grant.error', ...why(error) }));
  provider.on('grant.success', (ctx) => tell({ event: 'grant.success', client: ctx.oidc.client.clientId }));
  provider.on('server_error', (ctx, error) => tell({ event: 'server_error', ...why(error) }));
  provider.on('backchannel.success', (ctx, client, name, sid) =>
    tell({ event: 'backchannel.success', client: client.clientId, account: name, sid }));
  provider.on('backchannel.error', (ctx, error, client, name, sid) =>
    tell({ event: 'backchannel.error', client: client.clientId, account: name, sid, ...why(error) }));
}

function why(error) {
  const detail = error.error_detail ?? error.error_description ?? error.cause?.message;
  return { error: error.error ?? error.message, detail };
}

function tell(what) {
  console.log(JSON.stringify(what));
}
