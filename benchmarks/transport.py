"""Seconds of a batched plan from 16 images x 196 tokens to 512 prototypes, its cost's gradient included.

    python benchmarks/transport.py [--threads 2]

Medians of five runs after one that does not count, on random tokens of width 64.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings

import torch

from hvqlib.model.transport import TransportWarning, cost, plan


def seconds(kind: str, reg: float, repeats: int = 5) -> float:
    """Median seconds of cost, plan, transport value and its gradient with respect to the tokens."""
    torch.manual_seed(0)
    tokens, prototypes = torch.randn(16, 196, 64, requires_grad=True), torch.randn(16, 512, 64)
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        moves = cost(tokens, prototypes, "cosine")
        (plan(moves, kind, reg=reg) * moves).sum().backward()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(options.parse_args().threads)
    for kind, reg in (("conditional", 0.05), ("sinkhorn", 0.05), ("sinkhorn", 0.1), ("semi_relaxed", 0.05)):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", TransportWarning)
            print(f"{kind:13} reg {reg}: {seconds(kind, reg):.2f} s{', not converged' if said else ''}")
