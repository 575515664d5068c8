"""`python -m query_api.openapi FILE`: write the API's OpenAPI document, which is reviewed as a diff."""

import json
import sys
from pathlib import Path

from query_api.surface import surface


def text() -> str:
    """The document in one canonical form."""
    return json.dumps(surface().openapi(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def main(file: str) -> None:
    """Write the document."""
    Path(file).write_text(text(), encoding="utf-8")
    sys.stdout.write(f"OpenAPI document in {file}\n")


if __name__ == "__main__":
    main(sys.argv[1])
