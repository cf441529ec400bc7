"""Sentences of notebook 05 about the levels of the shipped detector, computed again for one product."""

import torch
from sklearn.linear_model import Ridge

from hvqlib.course.material import features, foundry, shipped
from hvqlib.detector.level import held_out


def test_the_lower_levels_of_terrazzo_repeat_the_top_code_and_add_little():
    """All codes are in use; the top code tells those of levels 2 and 1, not of 3 and 0; five rebuild little more."""
    dataset, detector = foundry(), shipped()
    c = dataset.classes.index("terrazzo")
    held = held_out(torch.tensor([s.class_id for s in dataset.train]), detector.config.holdout, detector.config.seed)
    trained = [s for s, h in zip(dataset.train, held.tolist(), strict=True) if s.class_id == c and not h]
    normal = [s for s in dataset.test if s.class_id == c and s.label == 0]
    ids, maps = [], []
    for samples in (trained, normal):
        x, y = features(detector, samples)
        with torch.no_grad():
            ids.append(detector.model.quantizer(detector.model.encode(x), y)[1].transpose(0, 1).flatten(1))  # (5, N)
        maps.append(x.flatten(2).transpose(1, 2).flatten(0, 1))
    assert all(len(level.unique()) > 500 for level in ids[0])

    guessed = []
    for level in range(1, 5):  # 3, 2, 1, 0
        often = torch.bincount(ids[0][0] * 512 + ids[0][level], minlength=512 * 512).view(512, 512).argmax(1)
        guessed.append(float((often[ids[1][0]] == ids[1][level]).float().mean()))
    assert guessed[0] < 0.5 and min(guessed[1:3]) > 0.9 and 0.5 < guessed[3] < 0.75

    codes = [[q.codebook[c][some[n]] for n, q in enumerate(detector.model.quantizer.quantizers)] for some in ids]
    alone = [Ridge().fit(codes[0][n], maps[0]).score(codes[1][n], maps[1]) for n in range(5)]
    together = Ridge().fit(torch.cat(codes[0], 1), maps[0]).score(torch.cat(codes[1], 1), maps[1])
    assert max(alone) - min(alone) < 0.1 and max(alone) < together < max(alone) + 0.1
