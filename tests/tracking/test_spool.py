from pathlib import Path

from ltm3d.tracking.spool import RECORDS, UNSENT, Spool, find_unsent, open_spool

HEADER = {"experiment": "e", "name": "stage", "tracking_uri": "", "tags": {}, "fingerprint": "one", "time": 1}


def test_records_come_back_in_order_with_their_offsets(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number in range(3):
        spool.append({"kind": "metrics", "number": number})
    pairs = list(spool.records())
    assert [record["number"] for record, _ in pairs] == [0, 1, 2]
    assert [record["number"] for record, _ in spool.records(pairs[0][1])] == [1, 2]
    assert pairs[-1][1] == (tmp_path / RECORDS).stat().st_size


def test_a_torn_line_is_passed_over_and_the_next_record_is_whole(tmp_path: Path) -> None:
    spool, _ = open_spool(tmp_path, HEADER)
    with (tmp_path / RECORDS).open("a") as file:
        file.write('{"kind":"metrics","val')
    assert [record["kind"] for record, _ in spool.records()] == ["run"]
    again, is_resumed = open_spool(tmp_path, HEADER)
    again.append({"kind": "status", "status": "RUNNING"})
    assert is_resumed
    assert [record["kind"] for record, _ in again.records()] == ["run", "status"]


def test_an_interrupted_run_goes_on_and_another_is_put_away(tmp_path: Path) -> None:
    first, is_resumed = open_spool(tmp_path, HEADER)
    assert not is_resumed
    first.run_id = "r1"
    same, is_resumed = open_spool(tmp_path, HEADER)
    assert is_resumed and same.run_id == "r1"
    other, is_resumed = open_spool(tmp_path, {**HEADER, "fingerprint": "two", "time": 2})
    assert not is_resumed and other.run_id is None
    (unsent,) = (tmp_path / UNSENT).iterdir()
    assert Spool(unsent).run_id == "r1"
    assert Spool(unsent).status == "KILLED"
    assert [spool.folder for spool in find_unsent(tmp_path)] == [unsent, tmp_path]


def test_a_finished_and_sent_run_leaves_nothing(tmp_path: Path) -> None:
    spool, _ = open_spool(tmp_path, HEADER)
    spool.append({"kind": "status", "status": "FINISHED"})
    spool.offset = (tmp_path / RECORDS).stat().st_size
    fresh, is_resumed = open_spool(tmp_path, HEADER)
    assert not is_resumed
    assert fresh.offset == 0
    assert not (tmp_path / UNSENT).exists()


def test_a_kept_file_is_a_copy(tmp_path: Path) -> None:
    source = tmp_path / "picture.png"
    source.write_text("before")
    spool = Spool(tmp_path / "spool")
    place = spool.keep_file(source)
    source.write_text("after")
    assert (spool.folder / place).read_text() == "before"
    spool.drop_file(place)
    assert not (spool.folder / place).exists()
