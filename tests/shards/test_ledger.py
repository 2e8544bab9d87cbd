import json

import pytest
from shard_folders import write_example

from ltm3d.errors import ConfigError, DataError
from ltm3d.shards.ledger import check_fraction, ledger_of, read_ledger
from ltm3d.shards.read import list_shards
from ltm3d.shards.write import Reject, write_tries


@pytest.fixture
def ledger(tmp_path):
    for index, prefix in enumerate("ab"):
        write_example(tmp_path / f"shard-0000{index}", prefix=prefix)
    return ledger_of("clean_meshes", list_shards(tmp_path))


def test_every_asset_is_counted_once(ledger):
    assert len(ledger) == 10
    assert ledger.counts() == {"ok": 6, "crash:SIGSEGV": 2, "timeout": 2}
    assert ledger.metrics() == {"assets/ok": 6, "assets/crash_SIGSEGV": 2, "assets/timeout": 2}
    ledger.reject(Reject(uid="a1", reason="duplicate", detail="of a0"))
    assert ledger.counts()["duplicate"] == 1
    assert len(ledger) == 10


def test_tries_are_counted_of_what_a_busy_machine_may_cost(ledger, tmp_path):
    assert ledger.tries == {"a-z": 1, "a-b": 1, "b-z": 1, "b-b": 1}
    write_tries(tmp_path / "shard-00000", {"a-z": 3, "a-b": 1})
    again = ledger_of("clean_meshes", list_shards(tmp_path))
    assert again.tries == {"a-z": 3, "a-b": 1, "b-z": 1, "b-b": 1}
    again.reject(Reject(uid="a1", reason="parse_error"))
    again.write(tmp_path)
    assert read_ledger(tmp_path).tries == again.tries
    rows = json.loads((tmp_path / "ledger.json").read_text())["assets"]
    assert rows["a-z"]["tries"] == 3 and "tries" not in rows["a1"]


def test_the_table_names_reason_count_and_an_example(ledger):
    ledger.reject(Reject(uid="a1", reason="duplicate", detail="of a0"))
    lines = ledger.to_table().splitlines()
    assert lines[0] == "clean_meshes: 5 of 10 assets ok"
    assert "took longer than the limit; e.g. a-z" in next(line for line in lines if "timeout" in line)
    assert "a1: of a0" in next(line for line in lines if "duplicate" in line)


def test_it_is_written_sorted_and_comes_back(ledger, tmp_path):
    ledger.write(tmp_path)
    text = (tmp_path / "ledger.json").read_text()
    assert text.count("\n") == len(ledger) + 2  # an asset a line
    assert json.loads(text)["counts"] == ledger.counts()
    rows = json.loads(text)["assets"]
    assert list(rows) == sorted(rows)
    assert rows["a-b"] == {"status": "rejected", "reason": "crash:SIGSEGV", "detail": "", "tries": 1}
    assert rows["a0"]["status"] == "ok"
    assert read_ledger(tmp_path) == ledger
    with pytest.raises(DataError, match="run its stage"):
        read_ledger(tmp_path / "absent")


def test_too_many_rejects_fail_but_duplicates_do_not_count(ledger):
    ledger.check(0.4)
    with pytest.raises(DataError, match=r"rejected 4 of 10 assets(.|\n)*crash:SIGSEGV"):
        ledger.check(0.39)
    for uid in ("a0", "a1", "b0"):
        ledger.reject(Reject(uid=uid, reason="duplicate"))
    ledger.check(0.4)


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_a_fraction_is_a_fraction(value):
    with pytest.raises(ConfigError, match="max_reject_fraction"):
        check_fraction("max_reject_fraction", value)
