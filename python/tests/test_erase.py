"""`soundpost.erase`: removes the records of requests or of a person."""

from __future__ import annotations

import json

import pytest

import soundpost


def record(user, *request_ids):
    for request_id in request_ids:
        with soundpost.call("synthesize", request_id=request_id) as call:
            call.set(user=user, premium=user == "anna")
    assert soundpost.flush(20)


def users(*request_ids):
    found = [call for wanted in request_ids for call in soundpost.read_calls(request_id=wanted)]
    return [call.fields["user"] for call in found]


@pytest.mark.usefixtures("telemetry")
def test_erase_by_values_removes_a_person():
    ids = ["erase-1", "erase-2", "erase-3"]
    record("anna", *ids[:2])
    record("ben", ids[2])
    wanted = {"where": {"user": "anna", "premium": True}}
    counted = soundpost.erase(dry_run=True, **wanted)
    assert (counted.calls, counted.dry_run, users(*ids)) == (2, True, ["anna", "anna", "ben"])
    erased = soundpost.erase(**wanted)
    assert isinstance(erased, soundpost.ErasedRecords)
    assert (erased.service, erased.calls, erased.log_events, erased.errors) == ("tests", 2, 0, [])
    assert users(*ids) == ["ben"]
    assert soundpost.erase(**wanted).calls == 0
    record("anna", ids[0])
    assert users(*ids) == ["anna", "ben"]


@pytest.mark.usefixtures("telemetry")
def test_erase_by_request_ids_removes_these_requests(tmp_path):
    ids = ["erase-4", "erase-5", "erase-6"]
    record("carl", *ids)
    other = tmp_path / "other.jsonl"
    other.write_text('{"request_id": "erase-5"}\n{"request_id": "kept"}\n')
    erased = soundpost.erase(request_id=ids[:2], lines=[other])
    assert (erased.calls, erased.lines, erased.files) == (2, 1, [other])
    assert other.read_text() == '{"request_id": "kept"}\n'
    assert soundpost.erase(request_id=ids[2]).calls == 1
    assert users(*ids) == []


def test_erase_removes_shipped_lines_of_an_ended_service(python, tmp_path):
    path = tmp_path / "calls.jsonl"
    python(
        """
        import soundpost
        soundpost.init()
        for user in ("anna", "ben"):
            with soundpost.call("synthesize") as call:
                call.set(user=user)
        assert soundpost.flush(20)
        """,
        SOUNDPOST_SINKS=f"jsonl:{path}",
    )
    place = {"service": "program", "directory": tmp_path / "state"}
    erased = soundpost.erase(where={"fields.user": "anna"}, **place)
    assert (erased.calls, erased.lines, erased.shipped, erased.files) == (1, 1, {"jsonl": 1}, [path])
    lines = map(json.loads, path.read_text().splitlines())
    assert [line["user"] for line in lines if "user" in line] == ["ben"]
    assert [call.fields for call in soundpost.read_calls(**place)] == [{"user": "ben"}]


@pytest.mark.parametrize("nothing", [{}, {"request_id": ""}, {"request_id": []}, {"where": {}}])
def test_erase_without_a_selection_is_an_error(nothing):
    with pytest.raises(ValueError, match="give request_id or where"):
        soundpost.erase(**nothing)


def test_erase_of_an_unknown_service_is_an_error(tmp_path):
    with pytest.raises(soundpost.Error, match="no service"):
        soundpost.erase(request_id="req-1", service="unknown", directory=tmp_path)
