"""What can be amiss with files, as a report says it."""

import json
from pathlib import Path

from hvqlib.data.findings import FILES, finding


def test_every_kind_says_what_it_is_and_what_follows():
    for kind, (problem, what, then) in FILES.items():
        assert isinstance(problem, bool) and what[0].isupper() and then[0].islower(), kind
        assert not what.endswith((".", ":")) and not then.endswith("."), kind  # the report puts them together
    assert {kind for kind, (problem, *_) in FILES.items() if problem} == {
        "image",
        "mask",
        "no mask",
        "stray mask",
        "second mask",
    }


def test_a_finding_is_ready_for_json():
    one = finding("image", True, "It cannot be read.", [Path("a/b.png")])
    assert json.loads(json.dumps(one)) == {
        "kind": "image", "problem": True, "sentence": "It cannot be read.", "files": [str(Path("a/b.png"))],
    }  # fmt: skip
