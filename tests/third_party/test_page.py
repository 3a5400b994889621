"""The page in a real browser, over a fleet of forty devices: what it shows, what its addresses mean, that it asks nobody
else, and that whoever does not see it, or has no mouse, can use it."""

import http.client
import json
import subprocess
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

import fleet
from browser import Visit, chromium
from conftest import PATIENCE, PROGRAM, ROOT, eventually
from test_brokers import free_port

# Bytes on the wire for everything that a view needs, the readings included.
MOST_BYTES = 200_000

# What every view must have shown before it is looked at.
VIEWS = {
    "fleet": ("/", "tbody tr .spark"),
    "device": ("/device/pi-19?last=24h", ".plot canvas"),
    "device-zoomed": ("/device/pi-16?last=1h", ".plot canvas"),
    "quarantine": ("/quarantine", ".refused article"),
    "path": ("/path", ".steps li"),
}
PHONE = {"viewport": {"width": 375, "height": 740}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}


@pytest.fixture(scope="module")
def seeded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    up = fleet.start(folder)
    yield up
    up.process.terminate()
    up.process.wait()


@pytest.fixture(scope="module")
def year(tmp_path_factory):
    """`tidings view` over forty devices and ten million readings, as the rollups that they came to."""
    folder = tmp_path_factory.mktemp("year")
    seeding = subprocess.Popen([PROGRAM.with_name("seed"), folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    seeded = json.loads(seeding.stdout.readline())
    assert seeded["summed"] > 10_000_000, seeded
    view = subprocess.Popen([PROGRAM, "view", "--port", "0", "--json", "--endpoint-url", seeded["endpoint"]],
                            stdout=subprocess.PIPE, text=True)
    yield json.loads(view.stdout.readline())["page"]
    view.terminate()
    assert view.wait(timeout=30) == 0
    seeding.stdin.close()
    seeding.wait()


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def visit(seeded, browser):
    """Opens tabs; at the end nothing must have been wrong in any of them."""
    open_ones = []

    def start(**options):
        open_ones.append(Visit(browser, seeded.place["page"], **options))
        return open_ones[-1]

    yield start
    for one in open_ones:
        one.check()
        one.close()


def rows(page):
    return page.locator("tbody tr .device").all_text_contents()


def query(page):
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def until(page, expression, arg=None):
    """Waits until a page says so. Playwright's own way would need what the policy of the page forbids, `eval`."""
    end = time.monotonic() + PATIENCE
    while not page.evaluate(expression, arg):
        assert time.monotonic() < end, f"waited in vain for: {expression}"
        page.wait_for_timeout(50)


def unfold(page):
    """Opens whatever can be opened."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.wait_for_timeout(100)


def settled(page):
    """When nothing is asked any more and all lines are drawn."""
    until(page, "!document.querySelector('[aria-busy]')")


def test_who_needs_somebody_is_seen_first(visit):
    page = visit().go("/", "tbody tr .spark")
    assert rows(page)[:2] == [fleet.ALERTED, fleet.SILENT]
    first, second = page.locator("tbody tr").nth(0), page.locator("tbody tr").nth(1)
    assert "bme280.temperature" in first.locator(".state").inner_text()
    assert "silent 5 h" in second.locator(".state").inner_text()
    troubled = page.locator("tbody tr[data-state=trouble] .device").all_text_contents()
    assert {fleet.FAULTY, fleet.REFUSED} <= set(troubled)
    # That one is silent is an alert, too, as soon as the job of the schedule has seen it.
    until(page, "/2 alerts raised|pi-07: bme280.temperature/.test(document.getElementById('alerts').textContent)")
    # This machine's own agent is there too.
    assert page.locator(".tile strong").first.inner_text() == "41"


def test_filter_sort_and_quantity_are_in_the_address(visit, seeded):
    page = visit().go("/", "tbody tr .spark")
    page.get_by_label("Filter").fill("cold crop=lettuce")
    until(page, "document.querySelectorAll('tbody tr').length === 8")
    page.get_by_label("Quantity").select_option("humidity")
    page.get_by_role("button", name="Now").click()
    assert query(page) == {"q": "cold crop=lettuce", "quantity": "humidity", "sort": "value", "order": "desc"}
    assert page.locator("th[aria-sort=descending]").inner_text() == "Now"
    here = rows(page)
    values = [float(text.split()[0]) for text in page.locator("tbody .value").all_text_contents()]
    assert values == sorted(values, reverse=True) and all(0 < value <= 100 for value in values)
    # Somebody else's browser shows the same.
    other = visit().go(page.url.removeprefix(seeded.place["page"]), "tbody tr .spark")
    until(other, "document.querySelectorAll('tbody tr').length === 8")
    assert rows(other) == here
    assert other.get_by_label("Filter").input_value() == "cold crop=lettuce"
    page.go_back()
    until(page, "!location.search.includes('sort=')")


def test_a_drag_zooms_and_the_link_opens_the_same_picture(visit, seeded):
    page = visit().go("/device/pi-16?last=24h", ".plot canvas")
    settled(page)
    box = page.locator(".plot .u-over").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 60, steps=6)
    page.mouse.up()
    until(page, "location.search.includes('from=')")
    asked = query(page)
    length = time.mktime(time.strptime(asked["to"][:19], "%Y-%m-%dT%H:%M:%S")) - time.mktime(time.strptime(asked["from"][:19], "%Y-%m-%dT%H:%M:%S"))
    assert abs(length - 12 * 3600) < 900, asked
    settled(page)
    shown = page.locator(".tools .range").inner_text()
    picture = page.locator(".plot .hidden").all_text_contents()
    other = visit().go(page.url.removeprefix(seeded.place["page"]), ".plot canvas")
    settled(other)
    assert other.locator(".tools .range").inner_text() == shown
    assert other.locator(".plot .hidden").all_text_contents() == picture
    # Back to what it was.
    page.go_back()
    until(page, "location.search === '?last=24h'")


def test_keys_and_buttons_move_in_time(visit):
    page = visit().go("/device/pi-16?last=24h", ".plot canvas")
    settled(page)
    for key, expected in [("+", {"last": "12h"}), ("+", {"last": "6h"}), ("-", {"last": "12h"}), ("0", {"last": "24h"})]:
        page.keyboard.press(key)
        assert query(page) == expected
    page.keyboard.press("ArrowLeft")
    asked = query(page)
    assert set(asked) == {"from", "to"}
    page.get_by_role("button", name="later").click()
    assert query(page) == {"last": "24h"}
    page.get_by_role("link", name="the last 7 days").click()
    assert query(page) == {"last": "7d"}
    settled(page)
    assert page.get_by_role("link", name="the last 7 days").get_attribute("aria-current") == "true"


def test_the_crosshair_tells_value_unit_and_time_in_every_chart(visit):
    page = visit().go("/device/pi-16?last=24h", ".plot canvas")
    settled(page)
    box = page.locator(".plot .u-over").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 50)
    told = page.locator(".plots").first.locator(".plot .when").all_text_contents()
    assert len(told) >= 3 and all(":" in text and "last" not in text for text in told), told
    values = page.locator(".plots").first.locator(".plot .key b").all_text_contents()
    assert any("°C" in value for value in values) and any("% RH" in value for value in values), values


def test_a_gap_is_a_gap_and_a_fault_says_why(visit):
    page = visit().go("/device/pi-03?last=24h", ".plot canvas")
    settled(page)
    assert "One gap." in page.locator(".plot .hidden").first.text_content()
    page = visit().go(f"/device/{fleet.FAULTY}?last=24h", ".strip button")
    mark = page.locator(".strip button").first
    mark.focus()
    said = page.locator("section[aria-labelledby=faults] [role=status]").inner_text()
    assert "bme280: " in said and ("timeout" in said or "checksum" in said), said
    page.get_by_text("As a list").click()
    assert page.locator("section[aria-labelledby=faults] tbody tr").count() >= 10


def test_readings_without_a_time_are_told_apart(visit):
    page = visit().go(f"/device/{fleet.UNSET}?last=24h", "#untimed")
    assert "12 min" in page.locator("section[aria-labelledby=untimed]").inner_text()


def test_a_new_reading_comes_in_by_itself(visit, seeded):
    page = visit().go("/device/pi-20?last=1h", ".plot canvas")
    settled(page)
    until(page, "document.getElementById('state').dataset.is === 'live'")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    at = int(time.time() * 1000)
    fleet.replay(seeded.place["dynamodb"], seeded.folder, [fleet.reading("pi-20", at, 33.25, 50_000)])
    until(page, "document.querySelector('.plot .key b').textContent.startsWith('33.25')")
    assert "33.25 °C" in page.locator(".latest").inner_text()
    # An event that Lambda tried again brings what is older than that.
    fleet.replay(seeded.place["dynamodb"], seeded.folder, [fleet.reading("pi-20", at - 30_000, 30.5, 49_999)])

    page.get_by_text("As a table").first.click()
    until(page, "document.querySelector('.plot tbody')?.textContent.includes('30.5')")
    assert "33.25 °C" in page.locator(".latest").inner_text(), "and is not the latest"
    assert not any("/api/series" in url for url in asked), "it was added to what is there"


def test_a_device_that_falls_silent_moves_to_the_top(visit, seeded):
    device = "pi-37"
    page = visit().go("/", "tbody tr .spark")
    before = rows(page)
    assert before.index(device) > 5
    # It may say nothing for a minute, and has said nothing for longer.
    table = seeded.dynamodb.Table("devices")
    key = {"pk": "device", "sk": device}
    table.update_item(Key=key, UpdateExpression="SET silence = :s", ExpressionAttributeValues={":s": "1s"})
    until(page, "name => [...document.querySelectorAll('tbody .device')].slice(0, 3).some(one => one.textContent === name)", device)
    assert f"{device} is silent" in page.locator("#news").text_content()
    usual = {":s": "3h"}
    table.update_item(Key=key, UpdateExpression="SET silence = :s", ExpressionAttributeValues=usual)


def test_quarantine_shows_what_was_refused_and_how_to_send_it_again(visit, seeded):
    page = visit().go("/quarantine", ".refused article")
    text = page.locator(".refused").inner_text()
    for reason in ("unknown-unit", "identity-mismatch", "out-of-range", "unrecognised-payload"):
        assert reason in text, reason
    assert page.locator(".refused article").count() == 25
    page.get_by_label("Reason").select_option("unknown-unit")
    until(page, "document.querySelectorAll('.refused article').length < 5")
    assert query(page) == {"reason": "unknown-unit"}
    article = page.locator(".refused article").first
    article.locator("summary").click()
    assert '"degC"' in article.locator("pre").inner_text()
    command = article.locator(".command code").last.inner_text()
    assert command.startswith("tidings replay --since ") and "--endpoint-url" in command
    article.get_by_role("button", name="Copy: replay").click()
    until(page, "document.body.textContent.includes('Copied')")
    assert page.evaluate("navigator.clipboard.readText()") == command
    page.goto(seeded.place["page"] + "/quarantine")
    page.get_by_role("link", name="Older than").click()
    until(page, "location.search.includes('before=')")
    until(page, "document.querySelector('.bar .push').textContent.startsWith('older, ')")
    assert "malformed-message" in page.locator(".refused").inner_text()


def test_the_path_has_a_number_at_each_step_or_says_that_it_is_not_known(visit):
    page = visit().go("/path", "tbody tr")
    steps = page.locator(".steps li").all_inner_texts()
    assert [text.splitlines()[0] for text in steps] == ["Sampled", "Queued", "Published", "Function", "Stored"]
    assert "none has failed for good" in steps[3]
    line = page.locator("tbody tr", has_text="pi-29").inner_text()
    assert "backlog" in line and "oldest 12" in line


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_can_be_used_by_everybody(visit, seeded, name, scheme):
    path, wait = VIEWS[name]
    folder = ROOT / "target" / "page"
    folder.mkdir(parents=True, exist_ok=True)
    one = visit(color_scheme=scheme)
    page = one.go(path, wait)
    settled(page)
    page.screenshot(path=folder / f"{name}-{scheme}.png", full_page=True)
    unfold(page)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    phone = visit(color_scheme=scheme, **PHONE)
    page = phone.go(path, wait)
    settled(page)
    page.screenshot(path=folder / f"{name}-{scheme}-phone.png", full_page=True)
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375, "it scrolls sideways"
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_a_view_is_light_and_painted_at_once(visit):
    for path, wait in VIEWS.values():
        one = visit()
        page = one.go(path, wait)
        settled(page)
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
        first = page.evaluate(f"performance.now()")
        weight = sum(one.encoded.values())
        print(f"{path}: {weight} bytes in {len(one.encoded)} answers, first paint after {paint:.0f} ms, complete within {first:.0f} ms")
        assert 20_000 < weight < MOST_BYTES, one.encoded


def test_a_year_of_ten_million_readings_is_a_picture_like_another(browser, year):
    one = Visit(browser, year)
    page = one.go("/", "tbody tr .spark")
    assert len(rows(page)) == 40
    assert "silent" in page.locator("tbody tr", has_text="greenhouse-40").locator(".state").inner_text()
    page = one.go("/device/greenhouse-01?last=1y", ".plot canvas")
    settled(page)
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    asked = "performance.getEntriesByType('resource').filter(one => one.name.includes('/api/series')).map(one => Math.round(one.duration))"
    print(f"a year: first paint after {paint:.0f} ms; its series took {page.evaluate(asked)} ms")
    told = page.locator(".plot .when").first.inner_text()
    assert "means of 1 d" in told or "means of 24 h" in told, told
    page.get_by_text("As a table").first.click()
    page.locator(".plot tbody").first.locator("tr").first.wait_for()
    assert page.locator(".plot tbody").first.locator("tr").count() > 300
    folder = ROOT / "target" / "page"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / "device-year-light.png", full_page=True)
    one.check()
    one.close()


def test_nobody_else_is_answered(seeded):
    port = urlsplit(seeded.place["page"]).port

    def asked(host, path="/api/fleet", method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request(method, path, headers={"Host": host, **headers})
        answer = connection.getresponse()
        return answer, answer.read()

    assert asked(f"localhost:{port}")[0].status == 200
    answer, body = asked(f"page.example.org:{port}")
    assert answer.status == 421 and b"pi-01" not in body
    # Another page of the same browser makes nobody pay for its questions.
    answer, body = asked(f"127.0.0.1:{port}", **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status == 403 and b"pi-01" not in body
    assert asked(f"127.0.0.1:{port}", **{"Sec-Fetch-Site": "same-origin"})[0].status == 200
    answer, body = asked(f"127.0.0.1:{port}", "/")
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy and "default-src 'none'" in policy
    for method in ("POST", "PUT", "DELETE"):
        assert asked(f"127.0.0.1:{port}", method=method)[0].status == 405
    for path in ("/api/series", "/api/series?device=pi-1&sensor=s", "/api/series?device=a%20b&sensor=s&last=5", "/api/quarantine?before=x"):
        answer, body = asked(f"127.0.0.1:{port}", path)
        assert answer.status == 400 and json.loads(body)["error"], path


def test_tables_that_cannot_be_read_are_told_of_with_what_to_do(browser, tmp_path):
    """`tidings view` over a DynamoDB that is not there."""
    process = subprocess.Popen([PROGRAM, "view", "--port", "0", "--json", "--endpoint-url", f"http://127.0.0.1:{free_port()}"],
                               stdout=subprocess.PIPE, text=True)
    url = json.loads(process.stdout.readline())["page"]
    one = Visit(browser, url)
    try:
        page = one.page
        for path in ("/", "/device/pi-1", "/quarantine", "/path"):
            page.goto(url + path)
            page.wait_for_selector(".problem")
            assert "cannot be reached" in page.locator(".problem").first.inner_text()
    finally:
        one.close()
        process.terminate()
        assert process.wait(timeout=30) == 0


def test_an_empty_table_says_what_to_do(browser, start_up):
    up = start_up()
    one = Visit(browser, up.place["page"])
    page = one.go("/device/nobody", ".empty")
    assert "Nothing is known of nobody" in page.locator(".empty").inner_text()
    fleet.replay(up.place["dynamodb"], up.data, [fleet.reading("nobody", int(time.time() * 1000), 21.5, 1)])
    page.wait_for_selector(".plot canvas")
    assert page.locator(".empty").count() == 0, "its first reading is looked at by itself"
    page = one.go("/quarantine", ".empty")
    assert "Nothing was refused" in page.locator(".empty").inner_text()
    page = one.go("/", "tbody tr")
    eventually("both are there", lambda: set(rows(page)) == {"nobody", "this-machine"})
    one.check()
    one.close()
