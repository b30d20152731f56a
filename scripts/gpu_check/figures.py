"""Comparison of scraped values with those of nvidia-smi."""

from __future__ import annotations

import re
from typing import NamedTuple

from smi import QUANTITIES, Card, Quantity

_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Row(NamedTuple):
    """A row of a table: a figure from both sources, and the verdict."""

    what: str
    ours: str
    theirs: str
    verdict: str
    good: bool = True


class Scrape:
    """The samples of a scrape, with names without the service's prefix."""

    def __init__(self, text: str, prefix: str = "gpu_check_") -> None:
        self.samples: list[tuple[str, dict[str, str], float]] = []
        for line in text.splitlines():
            if line and not line.startswith("#"):
                series, _, value = line.rpartition(" ")
                name, _, labels = series.partition("{")
                self.samples.append((name.removeprefix(prefix), dict(_LABEL.findall(labels)), float(value)))

    def get(self, metric: str, **labels: str) -> float | None:
        """Returns the first sample with this name and these labels."""
        for name, own, value in self.samples:
            if name == metric and labels.items() <= own.items():
                return value
        return None


def compare(text: str, before: list[Card], after: list[Card]) -> list[Row]:
    """Returns a row for each figure of each card. nvidia-smi was read right before and after the scrape."""
    scrape = Scrape(text)
    return [
        _row(scrape, card, quantity, (card.figures[at], later.figures[at]))
        for card, later in zip(before, after, strict=True)
        for at, quantity in enumerate(QUANTITIES)
    ]


def _row(scrape: Scrape, card: Card, quantity: Quantity, theirs: tuple[float | None, float | None]) -> Row:
    labels = dict(quantity.labels)
    ours = scrape.get(quantity.metric, gpu=card.index, uuid=card.uuid, **labels)
    what = " ".join([f"gpu {card.index}", quantity.metric, *labels.values()])
    known = [figure for figure in theirs if figure is not None]
    shown = " .. ".join(dict.fromkeys(f"{figure:.6g}" for figure in known)) or "unavailable"
    if ours is None and not known:
        return Row(what, "absent", shown, "absent in both")
    if ours is None or not known:
        # Under MIG the two sources support different figures.
        verdict = "only in nvidia-smi" if ours is None else "only in soundpost"
        return Row(what, "absent" if ours is None else f"{ours:.6g}", shown, verdict, good=ours is not None)
    margin = quantity.absolute + quantity.relative * max(known)
    good = min(known) - margin <= ours <= max(known) + margin
    return Row(
        what, f"{ours:.6g}", shown, "agrees" if good else f"differs by more than {margin:.3g}", good=good
    )
