"""A process that adds to a tag under the lock: `lock_driver.py NAME URI COUNT`; without it some would be lost."""

import sys
import time

from ltm3d.registry.lock import model_lock
from ltm3d.tracking.client import open_client

if __name__ == "__main__":
    name, uri, count = sys.argv[1:]
    client = open_client(uri)
    for _ in range(int(count)):
        with model_lock(client, name) as check:
            value = int(client.get_registered_model(name).tags["sum"])
            time.sleep(0.02)  # long enough for another to come between
            check()
            client.set_registered_model_tag(name, "sum", str(value + 1))
