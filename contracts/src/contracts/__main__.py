"""`python -m contracts FOLDER`: write the JSON Schemas of all records into a folder."""

import sys
from pathlib import Path

from contracts.schemas import schemas


def main(folder: str) -> None:
    """Write one file per record and remove schemas of records that no longer exist."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    texts = schemas()
    for stale in target.glob("*.schema.json"):
        if stale.name not in texts:
            stale.unlink()
    for name, text in texts.items():
        (target / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(texts)} schemas in {folder}\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "contracts/schemas")
