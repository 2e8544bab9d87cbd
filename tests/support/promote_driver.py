"""A process that promotes when it is told to: `promote_driver.py NAME URI REPOSITORY`, then a line on its input."""

import sys
from pathlib import Path

from ltm3d.registry.promotion import promote

if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    decision = promote(sys.argv[1], None, sys.argv[2], repository=Path(sys.argv[3]))
    sys.stdout.write(f"{decision.passed} {'; '.join(decision.reasons)}\n")
