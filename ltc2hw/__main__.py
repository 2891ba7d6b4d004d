"""``python -m ltc2hw`` is the command ``ltc2hw``."""

from __future__ import annotations

import sys

from ltc2hw.cli import main

if __name__ == "__main__":
    sys.exit(main())
