"""The queries on the pages of the guide."""

import re
from pathlib import Path

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide"


def queries(page: str, language: str) -> list[str]:
    """Returns the code blocks of a language in their order."""
    text = (GUIDE / page).read_text(encoding="utf-8")
    found = [match.strip() for match in re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)]
    assert found, f"{page} has no {language}"
    return found
