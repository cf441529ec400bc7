"""Published counts: those of notebook 13, and what is compared with them."""

from pathlib import Path

from hvqlib.data.published import NAMES, PUBLISHED, compare_counts


def test_published_numbers_are_those_of_notebook_13():
    text = (Path(__file__).parents[2] / "notebooks/13_reproduce_the_paper.ipynb").read_text()
    for name, counts in PUBLISHED.items():
        tested = counts["test good"] + counts["test defective"]
        said = (
            f'\\"classes\\": {counts["classes"]}, \\"training images\\": {counts["train"]}, \\"test images\\": {tested}'
        )
        assert f'\\"{name}\\": {{{said}' in text
        assert len(NAMES[name].split()) == counts["classes"]


def test_only_most_of_the_published_classes_are_compared():
    one = {"train": 3, "test_good": 1, "test_defective": {"dent": 2, "rust": 1}}
    names = NAMES["VisA"].split()
    assert compare_counts("VisA", dict.fromkeys(names[:6], one)) is None  # half of them could be anyone's
    assert compare_counts("BTAD", dict.fromkeys(names, one)) is None
    compared = compare_counts("VisA", dict.fromkeys(names[:7], one))
    assert compared["found"] == {"classes": 7, "train": 21, "test good": 7, "test defective": 21}
