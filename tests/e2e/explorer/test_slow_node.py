"""The page before a node that takes its time: what is asked for is asked once, and nobody is led away by an old answer."""

from tests.e2e.explorer.browser import Page

HOLD = """
  window.held = []; window.passed = 0; window.done = 0; window.plain ??= window.fetch;
  window.fetch = (url, options) => {
    if (!String(options?.body).includes(METHOD)) { window.passed++; return window.plain(url, options); }
    return new Promise((go) => window.held.push(go)).then(() => window.plain(url, options)).finally(() => { window.done++; });
  };
"""
RELEASE = "window.held.forEach((go) => go())"
SETTLED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
BEATS = 5


def hold(page: Page, method: str) -> None:
    """Keeps the page's calls of a method back until `RELEASE`."""
    page.evaluate(f"{{ const METHOD = '\"{method}\"'; {HOLD} }}")


def test_a_view_that_takes_longer_than_a_beat_is_asked_for_once_and_comes(page: Page, home: str) -> None:
    page.open(home)
    page.wait_text("Shard 0")
    hold(page, "beacon_getValidators")
    page.evaluate("location.hash = '#/validators'")
    page.wait("window.held.length > 0")
    before = page.evaluate("window.passed")
    page.wait(f"window.passed >= {before + BEATS}")
    assert page.evaluate("window.held.length") == 1
    page.evaluate(RELEASE)
    page.wait_text("Validators", "Stake")


def test_an_old_search_leads_nobody_away(page: Page, home: str) -> None:
    page.open(f"{home}#/shard/0/block/1")
    page.wait_text("Base fee")
    block_hash = page.evaluate("/0x[0-9a-f]{64}/.exec(document.querySelector('main').innerText)[0]")
    hold(page, "eth_getBlockByHash")
    page.fill("#query", block_hash)
    page.press("Enter", 13, "\r")
    page.wait("window.held.length > 0")
    page.evaluate("location.hash = '#/supply'")
    page.wait_text("Supply")
    page.evaluate(RELEASE)
    page.wait("window.done === window.held.length")
    page.evaluate(SETTLED)
    assert page.evaluate("location.hash") == "#/supply"
