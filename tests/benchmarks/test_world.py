from benchmarks.world import judge, measure


def test_every_style_is_measured():
    rows = measure(["portrait", "clay"], 16, 1, 1, 0.0)
    assert [row["style"] for row in rows] == ["portrait", "clay"] and all(row["per_second"] > 0 for row in rows)


def test_goals_count_where_they_were_measured():
    rows = [{"style": style, "resolution": 128, "per_second": speed} for style, speed in (("portrait", 41.0), ("toon", 1.0))]
    assert judge(rows) == {"portrait 128": True}
    assert judge([{"style": "portrait", "resolution": 64, "per_second": 1.0}]) == {}
