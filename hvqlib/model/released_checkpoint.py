"""Read a state dict with the names of the authors' release into HVQTrans: names and shapes only, no code of theirs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from hvqlib.config import Config
from hvqlib.errors import InputError
from hvqlib.model.hvq_trans import HVQTrans

# Ours -> theirs, inside one layer.
LAYER = {"feedforward.0": "linear1", "feedforward.3": "linear2", "norm1": "norm1", "norm2": "norm2"}


def load_released(source: str | Path | Mapping[str, Tensor], heads: int = 8) -> HVQTrans:
    """Build an :class:`HVQTrans` in evaluation mode from the release's tensors.

    `source` is a file (read with ``weights_only=True``) or a state dict; the ``module.`` prefix and an outer
    ``{"state_dict": ...}`` are taken off; the backbone (``enc.*``), the unused ``input_proj`` and the moving
    averages may be there or not. Sizes are read from the tensors; the number of heads cannot be (8 in the release).
    """
    theirs = _read(source)
    width, channels = _get(theirs, "quantize_conv_t.weight").shape[:2]
    rows, columns = (len(_get(theirs, f"pos_embed.{name}_embed.weight")) for name in ("row", "col"))
    classes, layers = _count(theirs, r"output_proj_list\.(\d+)\."), _count(theirs, r"encoder\.layers\.(\d+)\.")
    config = Config(
        width=width,
        heads=heads,
        feedforward=len(_get(theirs, "encoder.layers.0.linear1.weight")),
        layers=layers,
        grid=rows,
        codes=_get(theirs, "quantize_list_1.0.embed").shape[1],
        dropout=0.1,
        score="released",
        init="random",
        revive=False,
    )
    model = HVQTrans(config, channels, classes, (rows, columns))
    ours = {
        "project.weight": _get(theirs, "quantize_conv_t.weight").flatten(1),
        "project.bias": _get(theirs, "quantize_conv_t.bias"),
        "position.rows": _get(theirs, "pos_embed.row_embed.weight"),
        "position.columns": _get(theirs, "pos_embed.col_embed.weight"),
        **_both(theirs, "decoder.norm", "decoder.norm"),
        "head_weight": torch.stack([_get(theirs, f"output_proj_list.{c}.weight") for c in range(classes)]),
        "head_bias": torch.stack([_get(theirs, f"output_proj_list.{c}.bias") for c in range(classes)]),
    }
    for i in range(layers):
        for part, attentions in (
            ("encoder", {"attention": "self_attn"}),
            ("decoder", {"attention": "self_attn", "cross": "multihead_attn"}),
        ):
            layer = f"{part}.layers.{i}"
            for a, b in LAYER.items():
                ours |= _both(theirs, f"{layer}.{a}", f"{layer}.{b}")
            for a, b in attentions.items():
                ours |= _attention(theirs, f"{layer}.{a}", f"{layer}.{b}")
        ours |= _both(theirs, f"decoder.layers.{i}.norm3", f"decoder.layers.{i}.norm3")
    # Their list 5 is the top; lists 4, 3, 2, 1 are levels 3, 2, 1, 0: our order, deep to shallow.
    names = ["top", *(f"levels.{i}" for i in range(layers))]
    for name, number in zip(names, range(layers + 1, 0, -1), strict=True):
        ours |= _codebook(theirs, f"quantizer.{name}", f"quantize_list_{number}", classes)
    missing, unknown = model.load_state_dict(ours, strict=False)
    wrong = [name for name in missing if not name.endswith((".usage", ".error"))] + unknown
    assert not wrong, wrong  # a mistake in this file, not in the input
    return model.eval()


def _read(source: str | Path | Mapping[str, Tensor]) -> dict[str, Tensor]:
    if isinstance(source, Mapping):
        content = source
    else:
        try:
            content = torch.load(source, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            raise InputError(f"{source} does not exist; give the path of a released checkpoint.") from None
        except Exception as error:
            raise InputError(f"{source} cannot be read as plain tensors ({error}).") from error
    values: Mapping[str, Tensor] = content.get("state_dict", content)  # type: ignore[assignment]
    return {name.removeprefix("module."): tensor for name, tensor in values.items()}


def _get(theirs: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in theirs:
        raise InputError(f"The state dict has no tensor {name!r}: it is not a checkpoint of the HVQ-Trans release.")
    return theirs[name]


def _count(theirs: Mapping[str, Tensor], pattern: str) -> int:
    return 1 + max((int(m[1]) for m in map(re.compile(pattern).match, theirs) if m), default=-1)


def _both(theirs: Mapping[str, Tensor], ours: str, name: str) -> dict[str, Tensor]:
    return {f"{ours}.{kind}": _get(theirs, f"{name}.{kind}") for kind in ("weight", "bias")}


def _attention(theirs: Mapping[str, Tensor], ours: str, name: str) -> dict[str, Tensor]:
    out = _both(theirs, f"{ours}.out", f"{name}.out_proj")
    for kind in ("weight", "bias"):
        thirds = _get(theirs, f"{name}.in_proj_{kind}").chunk(3)
        out |= {f"{ours}.{part}.{kind}": t for part, t in zip(("query", "key", "value"), thirds, strict=True)}
    return out


def _codebook(theirs: Mapping[str, Tensor], ours: str, name: str, classes: int) -> dict[str, Tensor]:
    codebook = torch.stack([_get(theirs, f"{name}.{c}.embed") for c in range(classes)]).transpose(1, 2)
    size = torch.ones(codebook.shape[:2])  # when the moving averages were not saved
    total = codebook
    if f"{name}.0.embed_avg" in theirs:
        size = torch.stack([_get(theirs, f"{name}.{c}.cluster_size") for c in range(classes)])
        total = torch.stack([_get(theirs, f"{name}.{c}.embed_avg") for c in range(classes)]).transpose(1, 2)
    return {f"{ours}.codebook": codebook, f"{ours}.cluster_size": size, f"{ours}.cluster_sum": total}
