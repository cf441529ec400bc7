"""Features of images: the same numbers by hand, from the cache, and from memory."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hvqlib.data.images import read_image
from hvqlib.data.tiles import Tile
from hvqlib.errors import InputError
from hvqlib.features.backbone import Backbone
from hvqlib.features.extraction import features_of_images, stored_features


@pytest.fixture
def paths(tmp_path) -> list[Path]:
    rng = np.random.default_rng(0)
    result = [tmp_path / f"{i}.png" for i in range(5)]
    for path in result:
        Image.fromarray(rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)).save(path)
    return result


def test_features_equal_one_pass_by_hand(small, paths):
    features = features_of_images(small, paths)
    assert features.shape == (5, 192, 4, 4) and features.dtype == torch.float32
    for path, one in zip(paths, features, strict=True):
        expected = small(small.preprocess(read_image(path))[None])[0]
        assert torch.allclose(one, expected, rtol=1e-4, atol=1e-5)
    assert not features.is_inference() and not features.requires_grad
    layer = torch.nn.Linear(4, 1)
    layer(features).sum().backward()  # usable in training
    assert features_of_images(small, []).shape == (0, 192, 4, 4)


def test_images_in_memory_give_the_same_bits_as_their_files(small, paths, tmp_path):
    arrays = [read_image(path) for path in paths]
    mixed = [paths[0], Image.open(paths[1]), arrays[2], str(paths[3]), Image.fromarray(arrays[4])]
    plain = features_of_images(small, paths)
    assert torch.equal(features_of_images(small, arrays, tmp_path / "cache"), plain)
    assert torch.equal(features_of_images(small, mixed, tmp_path / "cache"), plain)
    assert not (tmp_path / "cache").exists()  # only files have a record


def test_cache_gives_the_same_numbers(small, paths, tmp_path, monkeypatch):
    cache = tmp_path / "deep" / "cache"
    plain = features_of_images(small, paths)
    features_of_images(small, paths[1:3], cache)  # some are kept, some are not
    assert torch.equal(features_of_images(small, paths, cache)[:], plain)
    (file,) = cache.glob("*.features")
    assert file.stat().st_size == 5 * (64 + 4 * plain[0].numel())
    monkeypatch.setattr(Backbone, "forward", lambda *args: pytest.fail("computed again"))
    hit = features_of_images(small, [str(p) for p in paths[::-1]], cache)[:]
    assert torch.equal(hit, plain.flip(0)) and not hit.is_inference()
    stored = stored_features(small, paths, cache)
    assert stored.shape == plain.shape and torch.equal(stored[torch.tensor([4, 0])], plain[[4, 0]])


def flip(place):
    def spoil(file):
        content = bytearray(file.read_bytes())
        content[place] ^= 1
        file.write_bytes(content)

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        flip(-1),
        flip(40),
        lambda file: file.write_bytes(file.read_bytes()[:-100]),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_text("nonsense"),
    ],
    ids=["values", "checksum", "cut", "empty", "text"],
)
def test_spoilt_record_is_computed_again(small, paths, tmp_path, spoil):
    cache = tmp_path / "cache"
    plain = features_of_images(small, paths[:1], cache)[:]
    (file,) = cache.glob("*.features")
    sound = file.read_bytes()
    spoil(file)
    assert file.read_bytes() != sound
    assert torch.equal(features_of_images(small, paths[:1], cache)[:], plain)
    assert file.read_bytes() == sound


def test_whatever_changes_the_features_changes_the_record(small, paths, tmp_path):
    cache = tmp_path / "cache"

    def records(net, path):
        features_of_images(net, [path], cache)
        size = 64 + 4 * net.channels * net.grid**2
        return sum(file.stat().st_size for file in cache.glob("*.features")) / size

    assert records(small, paths[0]) == 1
    copy = tmp_path / "copy.png"
    copy.write_bytes(paths[0].read_bytes())
    assert records(small, copy) == 1  # the name of the image does not matter
    copy.write_bytes(paths[1].read_bytes())
    assert records(small, copy) == 2  # its content does
    state = tmp_path / "state.pt"
    torch.save(small.net.state_dict(), state)
    assert records(Backbone(image_size=96, grid=4, weights=state), paths[0]) == 3
    other = Backbone(image_size=64, grid=4, weights="random")
    assert records(other, paths[0]) == 4
    assert torch.equal(features_of_images(other, paths[:1], cache)[:], features_of_images(other, paths[:1]))
    features_of_images(Backbone(image_size=64, grid=5, weights=state), paths[:1], cache)
    assert len(list(cache.glob("*.features"))) == 4


def test_full_brightness_is_part_of_what_the_cache_knows(small, tmp_path):
    path = tmp_path / "x.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 4096, (50, 70), np.uint16)).save(path)
    for white in (4095, 65535, None):
        kept = features_of_images(small, [path], tmp_path / "cache", white=white)[:]
        assert torch.equal(kept, features_of_images(small, [read_image(path, white)]))
    assert len(list((tmp_path / "cache").glob("*.features"))) == 3


def test_cache_folder_that_refuses(small, paths, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="cannot be kept in") as caught:
        features = features_of_images(small, paths, tmp_path / "file" / "cache")
    assert len(caught) == 1
    assert torch.equal(features, features_of_images(small, paths))


def test_unreadable_image_is_named(small, paths, tmp_path):
    paths[3].write_text("not an image")
    for cache in (None, tmp_path / "cache"):
        with pytest.raises(InputError, match=r"3\.png' cannot be read"):
            features_of_images(small, paths, cache)
        with pytest.raises(InputError, match=r"gone\.png' cannot be read"):
            features_of_images(small, [tmp_path / "gone.png"], cache)


def test_progress_goes_to_stderr(small, paths, capsys):
    features_of_images(small, paths[:2])
    assert capsys.readouterr() == ("", "")
    features_of_images(small, paths[:2], None, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "2/2" in err


def test_no_warning_when_all_is_well(small, paths, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features_of_images(small, paths[:1], tmp_path / "cache")


def test_a_file_is_read_once_for_all_its_tiles(small, paths, tmp_path, monkeypatch):
    tiles = [Tile(path, (x, 0, x + 50, 50)) for path in paths[:2] for x in (0, 10, 20)]
    features_of_images(small, tiles, tmp_path / "cache")
    read, whole = [], Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path) or whole(path))
    again = features_of_images(small, tiles, tmp_path / "cache")[:]
    assert read == paths[:2] and torch.equal(again, features_of_images(small, tiles))
