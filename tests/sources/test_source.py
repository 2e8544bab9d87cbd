"""Several sources as one list; limits, weights, licence filters."""

from dataclasses import dataclass

import pytest

from ltm3d.errors import AssetError, ConfigError, SourceError
from ltm3d.schema import ObjectRecord
from ltm3d.sources.faults import UID, faulty, raise_fault
from ltm3d.sources.source import check_settings, combine_sources, pick_uids, select_records


@dataclass(frozen=True, kw_only=True)
class ListSource:
    """A source of given uids, without files."""

    uids: tuple[str, ...]
    name: str = "list"
    weight: float = 1.0

    def list_objects(self) -> list[ObjectRecord]:
        return [ObjectRecord(uid=uid, source=self.name, main_file="model.glb") for uid in sorted(self.uids)]

    def fetch(self, record: ObjectRecord) -> dict[str, bytes]:
        return {record.main_file: record.uid.encode()}


def uids(prefix: str, count: int) -> tuple[str, ...]:
    return tuple(f"{prefix}{index:03d}" for index in range(count))


def test_sources_are_joined_in_order_of_uid() -> None:
    one, other = ListSource(uids=("b", "d")), ListSource(uids=("c", "a"), name="other")
    combined = combine_sources([one, other])
    assert [(source, record.uid) for source, record in combined] == [(other, "a"), (one, "b"), (other, "c"), (one, "d")]


def test_equal_weights_keep_everything_and_others_thin() -> None:
    one, half = ListSource(uids=uids("a", 40), weight=2), ListSource(uids=uids("b", 40), weight=1)
    kept = [record.uid for _, record in combine_sources([one, half])]
    assert sum(uid.startswith("a") for uid in kept) == 40 and sum(uid.startswith("b") for uid in kept) == 20
    assert (
        len(combine_sources([ListSource(uids=uids("a", 9), weight=5), ListSource(uids=uids("b", 4), weight=5)])) == 13
    )


def test_a_larger_count_only_adds() -> None:
    names = list(uids("x", 50))
    few, more = pick_uids(names, 10), pick_uids(names, 25)
    assert set(few) < set(more) and more == sorted(more) and len(more) == 25
    assert few != names[:10]  # not the first ones, which would be one category of a sorted list
    assert pick_uids(names, 99) == names


def test_one_uid_twice_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"the uids b \(list, other\), c \(list, other\)"):
        combine_sources([ListSource(uids=("a", "b", "c")), ListSource(uids=("b", "c"), name="other")])


def test_unusable_uids_become_rows_of_their_own() -> None:
    odd = ("a/b", "..", "", "x" * 300, "ä", "a b", "tab\t", "nul\0", "sur\udce9", "a_b")
    combined = combine_sources([ListSource(uids=("good", *odd[:-1]))])
    assert len({record.uid for _, record in combined}) == len(odd)
    assert all(UID.fullmatch(record.uid) for _, record in combined)
    assert [record.uid for _, record in combined if not record.fault] == ["good"]
    for _, record in combined:
        record.fault.encode()
        if record.fault:
            with pytest.raises(AssetError, match=r"bad_row: the uid .* rename it"):
                raise_fault(record)


def test_empty_lists_are_errors() -> None:
    with pytest.raises(SourceError, match="list of sources is empty"):
        combine_sources([])
    with pytest.raises(SourceError, match="list selects no object"):
        combine_sources([ListSource(uids=())])


def test_licence_filter_comes_before_the_limit() -> None:
    records = [
        ObjectRecord(uid=uid, source="list", main_file="m", licence="CC0-1.0" if index % 2 else "CC-BY-NC-4.0")
        for index, uid in enumerate(uids("x", 20))
    ]
    chosen = select_records(records, source="list", limit=10, licences=("cc0",))
    assert len(chosen) == 10 and {record.licence for record in chosen} == {"CC0-1.0"}
    with pytest.raises(SourceError, match=r"among mit: its objects have CC-BY-NC-4\.0, CC0-1\.0"):
        select_records(records, source="list", limit=None, licences=("mit",))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"limit": 0}, "limit is 0"),
        ({"weight": 0.0}, "above 0"),
        ({"weight": float("nan")}, "above 0"),
        ({"licences": ()}, "empty list"),
        ({"up": "y"}, "up is 'y'"),
        ({"up": "+z"}, "one axis"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_settings(**{"limit": None, "weight": 1.0, **settings})


def test_rows_that_cannot_be_used_pass_the_licence_filter() -> None:
    good = ObjectRecord(uid="a", source="list", main_file="m", licence="CC0-1.0")
    bad = faulty(ObjectRecord(uid="b", source="list", main_file="m"), "bad_row", "no annotation")
    assert select_records([good, bad], source="list", limit=None, licences=("cc0",)) == [good, bad]
    with pytest.raises(SourceError, match="among mit"):
        select_records([good, bad], source="list", limit=None, licences=("mit",))
