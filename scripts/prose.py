"""Counts openings and verbs that CONTRIBUTING.md rules out. `--list` prints places, `--report` never fails."""

import ast
import re
import subprocess
import sys
from pathlib import Path

CHECKS = {  # the most in 1,000 words
    r"(?:^|[.!?:|]\s+)(?:What|Whoever|Who|One that)\b|^(?:what|whoever|who|one that)\b": 0.2,
    r"(?i)\b(says|said|tells|told|hears|heard|looks|looked|believes|believed|knows|knew|wants|wanted)\b(?! up)": 2.0,
}
COMMENTS = {
    ".rs": r"\s*//[/!]?(.*)|.*\s//\s(.*)",
    ".py": r"\s*#(?!!)(.*)|.*  # (.*)|\s*(?:async )?def test_(\w+)",
    ".md": r"(.*)",
}


def prose(path: Path) -> dict[int, str]:
    """Returns lines of prose by number."""
    source, suffix = path.read_text(encoding="utf-8"), path.suffix.removesuffix("i")
    source = re.sub(r"(#\[test\]\n *)(?:async )?fn (\w+).*", r"\1// - \2", source)
    matches = {n: re.match(COMMENTS[suffix], line) for n, line in enumerate(source.splitlines(), 1)}
    found = {n: match[match.lastindex or 0].replace("_", " ") for n, match in matches.items() if match}
    for node in ast.walk(ast.parse(source if suffix == ".py" else "")):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found |= dict(enumerate(str(node.value.value).splitlines(), node.lineno))
    return found


def paragraphs(path: Path) -> list[tuple[str, str]]:
    """Returns the paragraphs outside code blocks, each with the place of its first line."""
    found, fenced, last = [["", ""]], False, -1
    for number, line in sorted(prose(path).items()):
        if "```" in line:
            fenced = not fenced
        elif not fenced:
            if not line.strip() or number > last + 1 or re.match(r"\s*([-*#|>]|\d+\. )", line):
                found.append([f"{path}:{number}", ""])
            found[-1][1] += " " + line.lstrip("-*#|> 0123456789.")
        last = number
    return [(place, re.sub(r"`[^`]*`", "`", text.strip())) for place, text in found]


def main() -> int:
    names = subprocess.check_output(["git", "ls-files", "*.rs", "*.py", "*.pyi", "*.md"], text=True)
    texts = [each for name in names.split() for each in paragraphs(Path(name))]
    words, failed = sum(len(re.findall(r"[A-Za-z]{2,}", text)) for _, text in texts), False
    for pattern, bar in CHECKS.items():
        found = [f"{at}: {text[m.start() :][:60]}" for at, text in texts for m in re.finditer(pattern, text)]
        rate = 1000 * len(found) / words
        failed |= rate > bar and "--report" not in sys.argv
        print(*(found if "--list" in sys.argv else []), f"{rate:.2f} (bar {bar}): {pattern}", sep="\n")
    return failed


if __name__ == "__main__":
    sys.exit(main())
