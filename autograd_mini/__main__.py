"""What `python -m autograd_mini` runs."""

from __future__ import annotations

import sys

from autograd_mini.command.cli import main

if __name__ == "__main__":
    sys.exit(main())
