// What a test can have the browser do. Pages and contexts are numbers; a context is one person's browser.

/** Longest text of a page that is answered, in characters. */
const MAX_TEXT = 4096;
/** Longest source of a page that is answered, in characters. */
const MAX_CONTENT = 65_536;

export function commands(browser, patience) {
  const contexts = [browser.defaultBrowserContext()];
  const pages = [];

  const page = (number) => {
    const found = pages[number];
    if (found === undefined) {
      throw new Error(`no page ${number}`);
    }
    return found;
  };

  /** Does what leads to another page, and answers where that ended. */
  const arrive = async (on, act) => {
    // Told to go to the page that it shows, or back to one that it kept, the browser may get no answer.
    const response = await act(on);
    return {
      status: response?.status() ?? null,
      headers: response?.headers() ?? {},
      hops: (response?.request().redirectChain() ?? []).map((hop) => ({
        url: hop.url(),
        status: hop.response()?.status() ?? null,
      })),
      ...(await seen(on)),
    };
  };

  const follow = (on, act) => arrive(on, async () => (await Promise.all([on.waitForNavigation(), act()]))[0]);

  return {
    new_context: async () => contexts.push(await browser.createBrowserContext()) - 1,

    new_page: async ({ context = 0 }) => {
      const fresh = await contexts[context].newPage();
      fresh.setDefaultTimeout(patience);
      return pages.push(fresh) - 1;
    },

    goto: ({ page: number, url }) => arrive(page(number), (on) => on.goto(url)),
    reload: ({ page: number }) => arrive(page(number), (on) => on.reload()),
    back: ({ page: number }) => arrive(page(number), (on) => on.goBack()),

    click: async ({ page: number, selector }) => {
      const on = page(number);
      await on.bringToFront();
      return follow(on, () => on.click(selector));
    },

    fill: async ({ page: number, selector, value }) => {
      const on = page(number);
      // A tab behind another one draws nothing, and what is not drawn can't be waited for.
      await on.bringToFront();
      await on.locator(selector).fill(value);
    },

    /** Waits until the page's address contains `url`: for pages that go on by themselves. */
    wait: async ({ page: number, url }) => {
      const on = page(number);
      await on.waitForFunction((part) => location.href.includes(part) && document.readyState === 'complete', {}, url);
      return { status: null, headers: {}, hops: [], ...(await seen(on)) };
    },

    content: async ({ page: number }) => (await page(number).content()).slice(0, MAX_CONTENT),

    /** `fetch` as a script of the page does it; what such a script cannot see is not answered either. */
    fetch: ({ page: number, url, init = {} }) =>
      page(number).evaluate(
        async (where, how, limit) => {
          const response = await fetch(where, how);
          return {
            status: response.status,
            type: response.type,
            redirected: response.redirected,
            url: response.url,
            headers: Object.fromEntries(response.headers),
            text: (await response.text()).slice(0, limit),
          };
        },
        url,
        init,
        MAX_TEXT,
      ),

    cookies: ({ page: number, url }) => page(number).cookies(url),
    set_cookie: ({ page: number, cookie }) => page(number).setCookie(cookie),
    delete_cookie: ({ page: number, name, url }) => page(number).deleteCookie({ name, url }),

    close: async ({ page: number }) => {
      await page(number).close();
      pages[number] = undefined;
    },
  };
}

/** A page that goes on by itself may do so while it is looked at: then the next one is. */
async function seen(on, looks = 50) {
  try {
    const text = await on.evaluate((limit) => (document.body?.innerText ?? '').slice(0, limit), MAX_TEXT);
    return { url: on.url(), title: await on.title(), text };
  } catch (error) {
    if (looks === 0) {
      throw error;
    }
    await new Promise((done) => setTimeout(done, 100));
    return seen(on, looks - 1);
  }
}
