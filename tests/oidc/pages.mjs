// The provider's pages: no style, no script, nothing fetched from elsewhere.

const page = (title, body) => `<!doctype html><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>${body}`;

const escaped = (text) =>
  String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** The log-in form; `refused` is the name that was typed and is nobody's. */
export function logInPage(action, refused) {
  const why = refused === undefined ? '' : `<p id="refused">${escaped(refused)} has no account here.</p>`;
  return page(
    'Log in',
    `${why}<form method="post" action="${escaped(action)}"><input name="login" autofocus><button type="submit">Log in</button></form>`,
  );
}

/** Asks whether to log out here, too; `form` is the library's, with its token. */
export function logOutPage(form) {
  return page(
    'Log out',
    `${form}<button type="submit" form="op.logoutForm" name="logout" value="yes">Log out</button>`,
  );
}

/** Where a log-out ends that names no page to go to. */
export function loggedOutPage() {
  return page('Logged out', '');
}

/** What the protocol's errors look like. */
export function errorPage(fields) {
  const lines = Object.entries(fields).filter(([, value]) => value !== undefined);
  return page('Error', lines.map(([name, value]) => `<p>${escaped(name)}: ${escaped(value)}</p>`).join(''));
}
