import numpy as np

from ltm3d.procedural.airframe import make_body, make_nose, make_tail, make_wings


def test_nose_joins_the_body_without_a_step(find_objects) -> None:
    for drawn, _ in find_objects("airplane", 12):
        body, nose = make_body(drawn.attributes, drawn.parameters)[0], make_nose(drawn.attributes, drawn.parameters)
        end, start = body.vertices[:, 2].max(), nose.vertices[:, 2].min()
        assert start < end
        widths = [
            np.ptp(part.vertices[np.abs(part.vertices[:, 2] - z) < 1e-6, 0]) for part, z in ((body, end), (nose, start))
        ]
        assert abs(widths[0] - widths[1]) < 0.04


def test_wings_and_tail_grow_out_of_the_body(find_objects) -> None:
    for drawn, _ in find_objects("airplane", 12):
        body = np.concatenate([part.vertices for part in make_body(drawn.attributes, drawn.parameters)])
        for part in (
            *make_wings(drawn.attributes, drawn.parameters)[:1],
            *make_tail(drawn.attributes, drawn.parameters)[:1],
        ):
            low, high = part.vertices.min(axis=0), part.vertices.max(axis=0)
            assert low[2] < body[:, 2].max() and high[2] > body[:, 2].min()
            assert low[0] < body[:, 0].max()


def test_tall_fins_are_higher(find_objects) -> None:
    tops = {}
    for fin in ("short", "tall"):
        drawn, _ = next(find_objects("airplane", 1, variant="airliner", fin=fin, tail="low"))
        tops[fin] = max(part.vertices[:, 1].max() for part in make_tail(drawn.attributes, drawn.parameters))
    assert tops["tall"] > tops["short"] + 0.03
