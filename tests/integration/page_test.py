"""The page for whoever is on call, in a real Chromium."""

import re
import time

import pytest
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.common.by import By

from support.browser import Browser
from support.crowd import show_a_crowd
from support.session import QUERY_CANCELED, wait_until
from support.stage import UNBOUNDED, Stage
from support.throwaway import Throwaway

# one browser at a time: each would take both processors from the tests beside it
pytestmark = pytest.mark.xdist_group("chromium")

OTHER_SITE = "evil.example"

RULE = """
- name: short
  match: { application_name: "t*", state: active, query_age: 200ms }
  escalate: [cancel]
- name: patient
  match: { user: [app, "*hostile*"], application_name: "/^[^t]/", query_age: 1h }
  escalate: [cancel, terminate: { after: 30s }]
"""


@pytest.fixture(scope="module")
def chromium():
    with Browser(names=[OTHER_SITE]) as made:
        yield made


@pytest.fixture
def browser(chromium):
    chromium.open("about:blank")
    chromium.resize(1200)
    chromium.prefer("light")
    chromium.complaints()
    return chromium


def url_of(web, host="127.0.0.1"):
    return f"http://{host}:{web.where}/"


def open_with_bars(browser, web, number=1):
    """The page, once the daemon knows of so many sessions."""
    wait_until(lambda: len(web.status()["servers"][0]["claims"]) >= number and web.ask("/readyz").status == 200)
    browser.open(url_of(web))
    assert len(browser.texts(".bars li")) >= number
    return browser


def patient(stage, **who):
    return stage.running("select pg_sleep(3600)", **{"application_name": "p1", **who})


UNITS = {"d": 86400, "h": 3600, "min": 60, "s": 1}


def seconds_in(text):
    found = re.fullmatch(r"(?:would )?\w+ in ((?:\d+(?:d|h|min|s) ?)+)", text)
    assert found, text
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)(d|h|min|s)", found[1]))


def reading(browser):
    """What the first countdown says, in seconds, how far its bar is, and whether they are still in what was marked."""
    text, filled, is_marked = browser.run("""const bar = document.querySelector("progress");
        return [document.querySelector(".step").innerText, bar.value / bar.max, document.querySelector("main").id === "before"]""")
    return seconds_in(text), filled, is_marked


def left(browser):
    return reading(browser)[0]


def bar(browser):
    return reading(browser)[1]


def mark_main(browser):
    """So that it is known when the page has replaced it."""
    browser.run("document.querySelector('main').id = 'before'")


def wait_for_update(browser):
    wait_until(lambda: browser.run("return document.querySelector('main').id !== 'before'"), every=0.05)


def moves_between_updates(browser):
    """Whether countdown and bar move before the next update comes."""
    mark_main(browser)
    first, filled, is_marked = reading(browser)
    while is_marked:
        now, more, is_marked = reading(browser)
        if is_marked and now < first and more > filled:
            return True
    return False


# -- countdown and bars -----------------------------------------------------------------------------------------------

MINUTES = RULE.replace("1h }", "20min }")


def test_the_countdown_and_the_bar_move_also_across_an_update(stage, web, watched, browser):
    watched(MINUTES)
    patient(stage)
    open_with_bars(browser, web)
    assert browser.texts(".step")[0].startswith("cancel in ")
    began, (first, filled, _) = time.monotonic(), reading(browser)
    assert 0 < first <= 1200 and 0 < filled < 1
    wait_until(lambda: moves_between_updates(browser))
    mark_main(browser)
    wait_for_update(browser)
    wait_until(lambda: left(browser) < first)
    second, more, _ = reading(browser)
    took = time.monotonic() - began
    assert first - took - 2 <= second and filled < more < filled + (took + 2) / 1200
    wait_until(lambda: moves_between_updates(browser))
    assert browser.complaints() == []


def test_the_countdown_says_what_the_status_says_whatever_the_browsers_clock(stage, web, watched, browser):
    watched(MINUTES)
    patient(stage)
    wait_until(lambda: web.status()["servers"][0]["claims"])
    for wrong in ("0", "32503680000000", "1e15 * Math.random()"):
        browser.before_each_page(f"Date.now = () => {wrong}; "
                                 f"Date = new Proxy(Date, {{ construct: (D) => new D(1e12 * Math.random()) }})")
        began = time.monotonic()
        due = web.status()["servers"][0]["claims"][0]["due_in_s"]
        open_with_bars(browser, web)
        shown, took = left(browser), time.monotonic() - began
        assert due - took - 2 <= shown <= due + 2


def test_a_countdown_that_has_run_out_is_due(stage, web, watched, browser):
    watched(MINUTES)
    patient(stage)
    open_with_bars(browser, web)

    def ran_out():
        browser.run("document.querySelectorAll('[data-left]').forEach(each => each.dataset.left = -5000)")
        is_full = "const bar = document.querySelector('progress'); return bar.value === bar.max"
        return browser.texts(".step")[0] == "cancel due" and browser.run(is_full)

    wait_until(ran_out, every=0.05)
    assert not re.search(r"in -|NaN|undefined", browser.text)


def test_a_dry_run_says_would(stage, web, watched, browser):
    watched(MINUTES, mode="dry-run")
    patient(stage)
    open_with_bars(browser, web)
    assert browser.texts(".step")[0].startswith("would cancel in ")


# -- one screen -------------------------------------------------------------------------------------------------------


def test_it_shows_actions_with_outcome_and_reason_and_each_rule_with_its_episodes(stage, web, watched, browser):
    watched()
    assert stage.open(application_name="t").run("select pg_sleep(120)") == QUERY_CANCELED
    wait_until(lambda: (actions := web.status()["actions"]) and actions[0]["end"])
    browser.open(url_of(web))
    head, = browser.texts("h2:first-of-type")
    assert re.fullmatch(r"stage up", head.replace("\n", " "))
    rows = [row.split("\t") for row in browser.texts("tbody tr")]
    rule = next(row for row in rows if row[0] == "short")
    assert rule[1:5] == ["enforce", "0", "0", "by_us 1"]
    action = rows[-1]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", action[0])
    assert re.fullmatch(r"sent cancel to pid \d+ app@\S+ \(rule short\)", action[2])
    assert re.fullmatch(r"query_age \d.* of limit 200ms", action[3])
    assert action[4:] == ["signalled", "by_us"]


def test_an_update_keeps_the_readers_place_and_selection(stage, web, watched, browser):
    watched()
    patient(stage)
    browser.resize(360, 300)
    open_with_bars(browser, web)
    wait_until(lambda: browser.run("return document.querySelector('.scroll').scrollWidth") > 360)
    browser.run("scrollTo(0, 150); document.querySelector('.scroll').scrollLeft = 40")
    mark_main(browser)
    wait_for_update(browser)
    assert browser.run("return [scrollY, document.querySelector('.scroll').scrollLeft]") == [150, 40]
    browser.run("getSelection().selectAllChildren(document.querySelector('.who'))")
    wait_until(lambda: "because text is selected" in browser.text, every=0.05)
    assert browser.run("return getSelection().toString()").startswith("pid ")
    browser.run("getSelection().removeAllRanges()")
    wait_until(lambda: "because text is selected" not in browser.text, every=0.05)


# -- what strangers wrote ---------------------------------------------------------------------------------------------

HOSTILE = ['"><script>alert(1)</script>', "' onmouseover='alert(1)", "</main></body><h1>x", "&lt;b&gt;&#60;i>",
           "\u202egnp.exe\u2066", "<img src=x onerror=alert(1)>".ljust(63, "!"), "W" * 63, "\u05d0\u05d1@\u05d2",
           "<style>*{display:none}</style>"]
HOSTILE_NAME = "hostile<script>alert(2)</script>\u202e\" 'x'" + "&" * 23  # 63 bytes


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


@pytest.fixture
def hostile_names(server):
    assert len(HOSTILE_NAME.encode()) == 63
    server.execute(f"create role {quoted(HOSTILE_NAME)} login")
    server.execute(f"create database {quoted(HOSTILE_NAME)}")
    yield HOSTILE_NAME
    server.execute(f"drop database {quoted(HOSTILE_NAME)} with (force)")
    server.execute(f"drop role {quoted(HOSTILE_NAME)}")


@pytest.fixture
def hostile_page(stage, web, watched, browser, hostile_names):
    watched()
    for name in HOSTILE:
        patient(stage, application_name=name)
    patient(stage, user=hostile_names, dbname=hostile_names)
    # an action about one, too
    stage.open(application_name="t<script>", dbname=hostile_names).run("select pg_sleep(120)")
    wait_until(lambda: web.status()["actions"])
    return open_with_bars(browser, web, len(HOSTILE) + 1)


ELEMENTS = {"HTML", "HEAD", "META", "TITLE", "NOSCRIPT", "LINK", "SCRIPT", "BODY", "MAIN", "H1", "H2", "H3", "P", "SPAN", "DIV",
            "TABLE", "THEAD", "TBODY", "TR", "TH", "TD", "UL", "LI", "PROGRESS", "BDI", "TIME", "A"}


def test_hostile_names_stay_text(hostile_page):
    mark_main(hostile_page)
    for _ in range(2):
        elements = hostile_page.run("return Array.from(document.querySelectorAll('*'), each => each.tagName)")
        assert set(elements) <= ELEMENTS
        assert elements.count("SCRIPT") == elements.count("MAIN") == elements.count("H1") == 1
        attributes = hostile_page.run("return Array.from(document.querySelectorAll('*'), each => each.getAttributeNames()).flat()")
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        shown = hostile_page.texts("bdi")
        assert HOSTILE[0] in shown and HOSTILE[1] in shown and HOSTILE[6] in shown
        assert any(name.startswith("hostile<script>alert(2)</script>\\x") for name in shown)
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", hostile_page.text)
        with pytest.raises(NoAlertPresentException):
            hostile_page.driver.switch_to.alert.accept()
        wait_for_update(hostile_page)  # the second time as the script has put it in
    assert hostile_page.complaints() == []


def test_nothing_but_the_tables_scrolls_sideways_on_a_phone(hostile_page):
    for width in (360, 320, 800):
        hostile_page.resize(width)
        assert hostile_page.run("return innerWidth") == width
        wide = hostile_page.run(
            "const e = document.scrollingElement; return [e.scrollWidth, e.clientWidth]")
        assert wide[0] <= wide[1], wide
        outside = hostile_page.run("""return Array.from(document.querySelectorAll("main *"))
            .filter(each => !each.closest(".scroll") && each.getBoundingClientRect().right > innerWidth + 1)
            .map(each => each.outerHTML)""")
        assert outside == []


CONTRAST = """
const rgb = colour => {
  const [r, g, b, a] = colour.match(/[\\d.]+/g).map(Number);
  return { rgb: [r, g, b], isSeen: a === undefined || a === 1, isClear: a === 0 };
};
const luminance = values => {
  const [r, g, b] = values.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const found = [];
for (const each of document.body.querySelectorAll("*")) {
  const text = Array.from(each.childNodes).filter(n => n.nodeType === 3 && n.data.trim()).map(n => n.data).join("");
  if (!text || !each.checkVisibility()) continue;
  let ground = each;
  while (ground && rgb(getComputedStyle(ground).backgroundColor).isClear) ground = ground.parentElement;
  const colours = [getComputedStyle(each).color, ground ? getComputedStyle(ground).backgroundColor : "none"];
  if (!colours.every(c => c !== "none" && rgb(c).isSeen)) { found.push([text, 0, colours]); continue; }
  const [high, low] = colours.map(c => luminance(rgb(c).rgb)).sort((a, b) => b - a);
  found.push([text, (high + 0.05) / (low + 0.05), colours]);
}
return found;
"""


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_all_text_can_be_read(scheme, stage, web, watched, browser, hostile_page):
    browser.prefer(scheme)
    browser.run("""const notice = document.getElementById("answer"); notice.hidden = false; notice.textContent = "no answer" """)
    found = browser.run(CONTRAST)
    texts = " ".join(text for text, _, _ in found)
    for part in ("no answer", "up", "Rules", "episodes under way", "cancel", "Last actions", "/status"):
        assert part in texts
    assert [entry for entry in found if entry[1] < 4.5] == []
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 384) == (scheme == "dark")


# -- without an answer, without a script, from another site -----------------------------------------------------------


def test_a_daemon_that_does_not_answer_is_named_and_nothing_counts_on(stage, web, watched, browser):
    daemon = watched(MINUTES)
    patient(stage)
    open_with_bars(browser, web)
    assert not browser.run("return document.getElementById('answer').checkVisibility()")
    daemon.stop()
    wait_until(lambda: re.search(r"^no answer since \d\d:\d\d:\d\d UTC; what follows was so then$", browser.text, re.M),
               every=0.05)
    stopped = browser.texts(".step")
    shown_again = time.monotonic() + 2
    wait_until(lambda: time.monotonic() > shown_again)
    assert browser.texts(".step") == stopped
    watched(MINUTES)
    wait_until(lambda: "no answer" not in browser.text, every=0.05)
    wait_until(lambda: browser.texts(".step") and browser.texts(".step") != stopped, every=0.05)


def test_without_a_script_it_is_complete_and_loads_itself_again(stage, web, watched):
    watched(MINUTES)
    patient(stage)
    wait_until(lambda: web.status()["servers"][0]["claims"] and web.ask("/readyz").status == 200)
    with Browser(javascript=False) as plain:
        def texts(selector):
            return [each.text for each in plain.driver.find_elements(By.CSS_SELECTOR, selector)]

        plain.open(url_of(web))
        assert re.fullmatch(r"cancel in (19|20)min \d+s", texts(".step")[0])
        assert plain.driver.find_elements(By.TAG_NAME, "progress")[0].get_attribute("value") not in (None, "0")
        assert "rule patient, step 1 of 2" in texts(".who")[0]
        before = plain.driver.find_element(By.TAG_NAME, "main")
        assert not plain.driver.find_element(By.ID, "answer").is_displayed()

        def is_another():
            return plain.driver.find_element(By.TAG_NAME, "main").id != before.id

        wait_until(is_another, every=0.2)
        assert re.fullmatch(r"cancel in (19|20)min \d+s", texts(".step")[0])


def test_another_site_that_leads_here_is_refused(stage, web, watched, browser):
    watched()
    browser.open(url_of(web))
    assert browser.texts("h1")[0].startswith("pgcurfew")
    browser.open(url_of(web, OTHER_SITE))
    assert "names another host" in browser.text and not browser.texts("h1")
    # and from a page of another origin, its script can't read an answer
    browser.open(url_of(web, "localhost"))
    read = browser.run("return fetch(arguments[0]).then(answer => answer.text(), () => 'refused')", url_of(web))
    assert read == "refused"


# -- many -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def crowded(daemon):
    """A stage on a server that shows 2,000 sessions more than there are."""
    with Throwaway() as server:
        server.make_watchdog_role()
        server.make_role("app")
        show_a_crowd(server, 2000, "p")
        made = Stage(server, daemon)
        yield made
        made.close()


def test_two_thousand_sessions_are_one_bounded_page(crowded, web, browser):
    daemon = crowded.enforce(MINUTES, more=f"{UNBOUNDED}\n{web.policy}")
    daemon.wait_for("web_listening")
    wait_until(lambda: web.status()["servers"][0]["claims_total"] >= 2000)
    open_with_bars(browser, web, 50)
    assert len(browser.texts(".bars li")) == 50
    assert "... and 1950 more" in browser.text
    assert len(web.ask("/").text) < 60_000
    first = left(browser)
    mark_main(browser)
    wait_for_update(browser)
    wait_until(lambda: left(browser) < first)
    assert browser.complaints() == []
