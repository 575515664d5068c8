"""`clean`: deletes what runs left under `.local/`. Touches the file system; needs nothing but the standard library."""

import shutil
import sys

from candlewick_local.children import Children
from candlewick_local.errors import Refusal
from candlewick_local.folders import CHECKOUT, LOCAL

DATA = ("data", "logs", "smoke", "test", "run.json")


def clean(everything: bool) -> int:
    """Wipe data and logs; with `everything` also downloaded parts, tools and `.venv`."""
    if (LOCAL / "data").is_dir():
        try:
            with Children(LOCAL / "data"):
                pass
        except Refusal as refusal:
            raise Refusal(f"nothing deleted: {refusal}") from None
    doomed = [LOCAL, CHECKOUT / ".venv"] if everything else [LOCAL / name for name in DATA]
    for path in doomed:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    print(f"deleted: {', '.join(str(path.relative_to(CHECKOUT)) for path in doomed)}", file=sys.stderr)
    return 0
