"""The pages in a real browser, from disk: nothing is asked of a network, all is reachable, whole and readable."""

import pytest
from browser import browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser() is None, reason="no browser with the DevTools protocol on this machine"),
]

KINDS = (
    "index.html", "notebooks.html", "notebooks/00_start_here.html", "notebooks/06_beyond_the_paper.html", "lessons.html",
    "run.html", "findings.html", "tables.html", "tables/table2.html", "methods.html", "equations.html", "deviations.html",
    "documents/results.html", "source/vad_lib/model.py.html", "search.html",
)  # fmt: skip

WHOLE = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"  # innerWidth grows with what is too wide


def with_lessons(site):
    return [*KINDS, *(path.relative_to(site).as_posix() for path in sorted((site / "lessons").glob("*.html"))[:1])]


def test_every_page_is_whole_silent_and_asks_for_its_own_files_only(site, tab):
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site).as_posix()
        tab.open(path, width=390)
        assert tab.value(WHOLE), (name, 390)
        tab.call("Emulation.setDeviceMetricsOverride", width=1280, height=800, deviceScaleFactor=1, mobile=False)
        assert tab.value(WHOLE), (name, 1280)
        assert tab.complaints == [], name
        assert [url for url in tab.requests if not url.startswith((site.as_uri() + "/", "data:"))] == [], name


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 390)], ids=["light", "dark"])
def test_axe_finds_no_serious_fault(site, tab, dark, width):
    for name in with_lessons(site):
        tab.open(site / name, width=width, dark=dark)
        assert tab.grave_faults() == [], name


def test_a_table_sorts_by_click_and_by_key(site, tab):
    tab.open(site / "tables/table2.html")
    first = "[...document.querySelectorAll('table.sortable tbody tr')].map((row) => row.cells[1].textContent)"
    before = tab.value(first)
    button = "document.querySelectorAll('table.sortable thead tr:last-child button')[1]"
    tab.value(f"{button}.click()")
    numbers = [float(text) for text in tab.value(first) if text]
    assert numbers == sorted(numbers) and tab.value(first) != before
    assert tab.value(f"{button}.closest('th').getAttribute('aria-sort')") == "ascending"
    tab.value(f"{button}.focus()")
    tab.press("Enter")
    texts = tab.value(first)
    numbers = [float(text) for text in texts if text]
    assert numbers == sorted(numbers, reverse=True)
    assert texts.index("") == len(numbers) if "" in texts else True  # empty cells stay at the end


def test_the_first_column_stays_when_a_table_is_scrolled(site, tab):
    tab.open(site / "tables/table2.html", width=390)
    left = "document.querySelector('table.sortable tbody th').getBoundingClientRect().left"
    before = tab.value(left)
    tab.value("document.querySelector('.scroll').scrollLeft = 300")
    assert tab.value("document.querySelector('.scroll').scrollLeft") == 300 and abs(tab.value(left) - before) < 1


def test_a_wide_figure_keeps_readable_letters_in_a_small_window_and_says_that_it_scrolls(site, tab):
    tab.open(site / "notebooks/06_beyond_the_paper.html", width=390)
    widths = tab.value(
        "[...document.querySelectorAll('.figure img')].map((image) => [+image.getAttribute('width'), image.offsetWidth])"
    )
    assert max(natural for natural, _ in widths) > 1000 and all(shown >= min(natural, 700) for natural, shown in widths)
    box = "document.querySelector('.figure.wider')"
    assert tab.value(WHOLE) and tab.value(f"{box}.tabIndex") == 0
    assert "Scroll" in tab.value(f"getComputedStyle({box}, '::after').content")
    tab.open(site / "notebooks/06_beyond_the_paper.html", width=1280)
    assert tab.value(f"{box}") is None and tab.value("document.querySelector('.figure').tabIndex") == -1


def test_search_finds_a_word_that_stands_on_one_page(site, tab):
    word = "headlights"  # of notebook 00
    tab.open(site / "search.html", f"?q={word}")
    links = tab.wait("[...document.querySelectorAll('#search-results a')].map((link) => link.getAttribute('href'))")
    assert all(link.startswith("notebooks/00_start_here.html") for link in links) and links
    assert tab.value("document.querySelector('#search-results mark').textContent") == word
    tab.open(site / "search.html", "?q=xyzzyx")
    assert "Nothing" in tab.wait("document.getElementById('search-count').textContent")


def test_the_search_field_of_a_page_leads_to_the_search(site, tab):
    tab.open(site / "notebooks/00_start_here.html")
    tab.value("document.getElementById('search').value = 'top-k mean', document.getElementById('search').focus()")
    tab.press("Enter")
    tab.wait("location.pathname.endsWith('/search.html') && document.querySelector('#search-results a') !== null")
    assert tab.value("document.getElementById('query').value") == "top-k mean"


def test_a_link_to_a_cell_shows_the_cell(site, tab):
    tab.open(site / "notebooks/02_training-synth-crime.html", "#cell-id=cell-32")
    tab.wait("Math.abs(document.getElementById('cell-id=cell-32').getBoundingClientRect().top) < 60")


def test_the_menu_of_a_small_window_opens_by_a_button(site, tab):
    tab.open(site / "index.html", width=390)
    shown = "document.getElementById('navigation').offsetParent !== null"
    assert not tab.value(shown)
    tab.value("document.querySelector('.menu').click()")
    assert tab.value(shown) and tab.value("document.querySelector('.menu').getAttribute('aria-expanded')") == "true"


def test_tab_reaches_the_skip_link_first(site, tab):
    tab.open(site / "findings.html")
    tab.press("Tab")
    assert tab.value("document.activeElement.className") == "skip"
    assert tab.value("document.activeElement.getBoundingClientRect().top") >= 0


def test_formulas_are_drawn(site, tab):
    tab.open(site / "notebooks/00_start_here.html")
    sizes = tab.value("[...document.querySelectorAll('main math')].map((m) => m.getBoundingClientRect().height)")
    assert len(sizes) > 20 and all(height > 5 for height in sizes)
