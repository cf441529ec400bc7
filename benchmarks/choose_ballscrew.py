"""Choose the photographs of data/ballscrew from the class `ballscrew` that `benchmarks.build_real` builds.

    python -m benchmarks.choose_ballscrew FOLDER OUT

The order is that of SHA-256 of a seed and the photograph's first name, so that leaving one out moves no other.
"""

from __future__ import annotations

import csv
import shutil
import sys
from hashlib import sha256
from pathlib import Path

from hvqlib.cli_options import Parser
from hvqlib.errors import InputError, exit_status

SEED, COUNTS = 0, {"train/good": 60, "test/good": 15, "test/pitting": 25}
# Places on the screw, and the time from which their photographs, normal by the labels, show a mark (README.md there).
MARKED = {"305000_090": "200829195620", "332500_225": "200828000000", "395000_270": "200829195831",
          "397500_315": "200829195835", "430000_180": "200828000000", "462500_045": "200829000007",
          "477500_315": "200829200032", "490000_180": "200829040042", "560000_000": "200828000000",
          "585000_090": "200829040302", "597500_315": "200829040320", "635000_270": "200829040415"}  # fmt: skip


def marked(name: str) -> bool:
    """Tell whether a photograph, by its first name 01_TIME_POSITION_ANGLE_crop_2.jpg, shows such a mark."""
    _, time, position, angle, *_ = name.split("_")
    return time >= MARKED.get(f"{position}_{angle}", "9")


def choose(source: Path, out: Path) -> None:
    """Copy the chosen photographs and their masks to `out`, and list their first names in its sources.csv."""
    if not (source / "train/good").is_dir() or (out / "train").exists():
        raise InputError(f"'{source}' must be the class ballscrew that build_real built, '{out}' without photographs.")
    with (Path(__file__).parent / "real.csv").open(newline="", encoding="utf-8") as file:
        first = {row["file"].removeprefix("ballscrew/"): Path(row["path"]).name for row in csv.DictReader(file)}
    rows = []
    for folder, count in COUNTS.items():
        names = [n for n in first if n.startswith(folder + "/") and not (folder.endswith("good") and marked(first[n]))]
        names.sort(key=lambda name: sha256(f"{SEED} {first[name]}".encode()).digest())
        for number, name in enumerate(sorted(names[:count])):
            copies = {name: f"{folder}/{number:03d}.jpg"}
            if folder == "test/pitting":
                stem = Path(name).stem
                copies[f"ground_truth/pitting/{stem}_mask.png"] = f"ground_truth/pitting/{number:03d}_mask.png"
            for here, there in copies.items():
                (out / there).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / here, out / there)
                rows.append(f"{there},{first[here]}\n")
    (out / "sources.csv").write_text("file,original\n" + "".join(sorted(rows)), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    parser = Parser("python -m benchmarks.choose_ballscrew", description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs=2, type=Path, metavar="FOLDER", help="from where, to where")
    sys.exit(exit_status("benchmarks.choose_ballscrew", lambda: choose(*parser.parse_args().folders), "stopped."))
