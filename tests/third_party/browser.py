"""A real browser over the page, which writes down whatever it does that it must not."""

import contextlib
import shutil
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

# What Debian, Ubuntu and Google call it. Playwright would bring one of its own, from its own server.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Runs before anything of a page, and keeps what its policy refused.
LISTEN = """
window.refusedByPolicy = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.refusedByPolicy.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""


@contextlib.contextmanager
def chromium():
    """A browser without a window."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    assert path, "no Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        # Root, as containers are, may not use the sandbox.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


class Visit:
    """A tab, and what was wrong in it."""

    def __init__(self, browser, url, **options):
        self.url = url
        self.wrong, self.encoded = [], {}
        options = {"viewport": {"width": 1200, "height": 900}, "timezone_id": "Europe/Berlin", **options}
        self.context = browser.new_context(**options)
        self.context.add_init_script(LISTEN)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page = self.context.new_page()
        self.watch(self.page)

    def watch(self, page):
        host = urlsplit(self.url).netloc

        def request(route):
            if urlsplit(route.request.url).netloc == host:
                route.continue_()
            else:
                self.wrong.append(f"off the machine: {route.request.url}")
                route.abort()

        page.route("**/*", request)
        page.on("console", lambda said: said.type in ("error", "warning") and self.wrong.append(f"console: {said.text}"))
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        session = self.context.new_cdp_session(page)
        session.send("Network.enable")
        urls = {}
        session.on("Network.responseReceived", lambda event: urls.__setitem__(event["requestId"], event["response"]["url"]))
        session.on("Network.loadingFinished", lambda event: self.encoded.__setitem__(
            urls.get(event["requestId"], ""), event["encodedDataLength"]))

    def go(self, path, wait):
        """Opens a view and waits for what it must show."""
        self.page.goto(self.url + path)
        self.page.wait_for_selector(wait)
        return self.page

    def check(self):
        """Nothing was wrong."""
        refused = self.page.evaluate("window.refusedByPolicy")
        assert self.wrong == [] and refused == [], (self.wrong, refused)

    def close(self):
        self.context.close()
