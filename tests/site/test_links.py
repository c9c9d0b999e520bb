"""Links of notebooks and Markdown lead to pages, copies or source text, and to nothing else."""

import pytest

from vad_lib.errors import DataError
from vad_lib.site.links import Links, slug
from vad_lib.site.page import relative
from vad_lib.storage.paths import PROJECT_ROOT


@pytest.fixture
def links() -> Links:
    found = Links(PROJECT_ROOT)
    found.pages |= {
        "README.md": "run.html",
        "notebooks/02_training.ipynb": "notebooks/02_training-synth-crime.html",
        "results/reference/executed/02_training-synth-crime.ipynb": "notebooks/02_training-synth-crime.html",
        "results/reference/executed/02_training-synth-violence.ipynb": "notebooks/02_training-synth-violence.html",
        "results/real_footage/README.md": "documents/real-footage.html",
    }
    return found


@pytest.mark.parametrize(
    ("link", "folder", "expected"),
    [
        (
            "results/reference/executed/02_training-synth-crime.ipynb#cell-id=cell-32",
            "",
            "02_training-synth-crime.html#cell-id=cell-32",
        ),
        ("../README.md#What-we-found", "notebooks", "../run.html#what-we-found"),
        ("#Part-1", "notebooks", "#part-1"),
        ("https://example.org/a#B", "", "https://example.org/a#B"),
        ("results/real_footage", "", "../documents/real-footage.html"),
        ("vad_lib/model.py", "", "../source/vad_lib/model.py.html"),
        ("figures/reference/fig3.png", "", "../pictures/figures/reference/fig3.png"),
    ],
)
def test_a_link_leads_to_its_page(links, link, folder, expected):
    assert links.resolve(link, (folder,), "notebooks/00.html", "here") == expected
    links.check()


@pytest.mark.parametrize(
    "link", ["no/such/file.md", "data/quick/synth-crime/videos.csv", "results/quick/tables/table1.md", "../../etc/passwd"]
)
def test_a_link_to_what_the_project_does_not_hold_is_an_error(links, link):
    links.resolve(link, ("",), "index.html", "CHANGELOG.md")
    with pytest.raises(DataError, match=r"CHANGELOG\.md: "):
        links.check()


def test_words_in_code_type_that_name_a_notebook_lead_to_the_one_of_the_same_data_set(links):
    page = "notebooks/00.html"
    assert links.named("02_training", page, "synth-violence") == "02_training-synth-violence.html"
    assert links.named("02_training", page) == "02_training-synth-crime.html"
    assert links.named("results/deviations.md", page) == "../source/results/deviations.md.html"
    assert (
        links.named("results/start-here/", page) == "" and links.named("a / b", page) == "" and links.named("np.mean", page) == ""
    )


def test_anchors_are_those_of_github():
    assert slug("3 · What's *new*?") == "3--whats-new"
    assert relative("a/b.html#x", "a/c.html") == "b.html#x"
