"""Transport from tokens to prototypes. So far the score that the paper's release computes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def released_score(tokens: Tensor, prototypes: Tensor) -> Tensor:
    """Expected cosine distance from each token to the prototypes, under the release's plan.

    The plan is a softmax over prototypes of (token . prototype) / K. Because of the division by K it is almost
    uniform, so the score is close to the mean cosine distance to all prototypes; kept for parity.

    Parameters
    ----------
    tokens : (B, L, D)
    prototypes : (B, K, D), the codebook of each image's class

    Returns
    -------
    (B, L), in [0, 2]; higher is more anomalous. Source: Lu et al. 2023, section 3.4, as released.
    """
    plan = torch.softmax(tokens @ prototypes.transpose(1, 2) / prototypes.shape[1], dim=-1)  # (B, L, K)
    cosine = F.normalize(tokens, dim=-1) @ F.normalize(prototypes, dim=-1).transpose(1, 2)  # (B, L, K)
    return (plan * (1 - cosine)).sum(-1)
