"""Read a method's residuals: turn the vector at each place into signals, and the whole of them into one number."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from hvqlib.config import Config
from hvqlib.detector.picture_subspace import PictureSubspace
from hvqlib.detector.place_covariance import PlaceCovariance
from hvqlib.model.hvq_trans import HVQTrans
from hvqlib.progress import Progress, in_notebook
from hvqlib.rivals.rival import Rival

MOST_IMAGES = 1000  # of a class that the reading is fitted to; of more, as many at equal distances
Method = HVQTrans | Rival


class Reading(nn.Module):
    """Measure the residuals of a method, all methods alike.

    "residual" is the length of the vector at a place; "covariance" its Mahalanobis distance from the normal ones of
    its class and place (:class:`PlaceCovariance`), unless `config.reading` is "norm". To these come the method's own
    signals. The picture as a whole is measured by :class:`PictureSubspace`; with `config.picture` off it measures 0.
    """

    def __init__(self, config: Config, channels: int, classes: int) -> None:
        super().__init__()
        self.place: PlaceCovariance | None = None
        self.picture: PictureSubspace | None = None
        if config.reading == "covariance":
            self.place = PlaceCovariance(channels, classes, config.grid**2, config.rank)
        if config.picture:
            self.picture = PictureSubspace(channels, classes)

    @torch.no_grad()
    def forward(
        self,
        method: Method,
        features: Tensor,
        class_ids: Tensor,
        wanted: Collection[str] | None = None,
        rows: Tensor | None = None,
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Measure standardised features (B, C, H, W): signals by name, each (B, H, W), and the pictures' measure (B,).

        Only signals among those `wanted` are computed; all when not given. `rows` (B,) of images that the method was
        fitted to are for `measure`.
        """
        residuals, own = method.measure(features, class_ids, wanted, rows)
        signals = {}
        if wanted is None or "residual" in wanted:
            signals["residual"] = torch.linalg.vector_norm(residuals, dim=1)
        if self.place is not None and (wanted is None or "covariance" in wanted):
            signals["covariance"] = self.place(residuals, class_ids)
        measures = residuals.new_zeros(len(residuals)) if self.picture is None else self.picture(residuals, class_ids)
        return signals | own, measures

    @torch.no_grad()
    def fit(
        self,
        method: Method,
        features: Tensor | Sequence[Tensor],
        class_ids: Tensor,
        held: Tensor,
        batch: int,
        learned: Tensor | None = None,
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Fit to standardised features (N, C, H, W) of normal images that are not held out, and measure all of them.

        Returns all signals, each (N, H, W), and the pictures' measures (N,), on the CPU. What an image has to do with
        the fit, of the method or of the reading, is left out of its own measures, as far as the method can. `learned`
        (N,) bool: which the method was fitted to, in this order; those that are not held out, if not given.
        """
        device = next(iter(method.state_dict().values())).device
        number, (channels, *grid) = len(features), features[0].shape
        signals = {name: torch.empty(number, *grid) for name in self.names(method)}
        pictures = torch.zeros(number)
        row = torch.full((number,), -1)
        learned = ~held if learned is None else learned
        row[learned] = torch.arange(int(learned.sum()))  # as the method's `fit` counted
        method.eval()
        classes = class_ids.unique().tolist()
        for class_id in Progress(classes, desc="reading residuals", unit="part", disable=not in_notebook()):
            mine = ((class_ids == class_id) & ~held).nonzero()[:, 0]
            fitted = mine[torch.linspace(0, len(mine) - 1, min(len(mine), MOST_IMAGES)).round().long()]
            others = (class_ids == class_id).index_fill(0, fitted, False).nonzero()[:, 0]
            residuals = torch.empty(len(fitted), channels, *grid, device=device)
            for part in torch.arange(len(fitted)).split(batch):
                rows = fitted[part]
                ids = class_ids[rows].to(device)
                residuals[part], own = method.measure(features[rows].to(device), ids, None, row[rows].to(device))
                for name, values in own.items():
                    signals[name][rows] = values.cpu()
            signals["residual"][fitted] = torch.linalg.vector_norm(residuals, dim=1).cpu()
            if self.place is not None:
                signals["covariance"][fitted] = self.place.fit(class_id, residuals).cpu()
            if self.picture is not None:
                pictures[fitted] = self.picture.fit(class_id, residuals).cpu()
            for rows in others.split(batch):
                ids = class_ids[rows].to(device)
                some, measures = self(method, features[rows].to(device), ids, None, row[rows].to(device))
                pictures[rows] = measures.cpu()
                for name, values in some.items():
                    signals[name][rows] = values.cpu()
        return signals, pictures

    def names(self, method: Method) -> tuple[str, ...]:
        """Name the signals of a method: how its residual is measured, then its own."""
        return ("residual", *(() if self.place is None else ("covariance",)), *method.signal_names)
