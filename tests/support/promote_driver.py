"""A process that promotes when it is told to: `promote_driver.py NAME URI`, then a line on its input."""

import sys

from ltm3d.evaluation.promotion import promote

if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    decision = promote(sys.argv[1], None, sys.argv[2])
    sys.stdout.write(f"{decision.passed} {'; '.join(decision.reasons)}\n")
