"""The questions of the matcher, and what becomes of the answers."""

from __future__ import annotations

from typing import Any

from tests.pipeline.viewer.conftest import API, Running


def questions(running: Running) -> list[dict[str, Any]]:
    answer = running.client.get(f"{API}/review", params={"limit": 50})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["total"] == len(found["questions"])
    return list(found["questions"])


def say(running: Running, question: dict[str, Any], answer: str) -> Any:
    body = {
        "answer": answer,
        "identity": question["identity"]["identity"],
        "candidate": question["candidate"]["identity"],
        "compared": question["compared"],
    }
    return running.client.post(f"{API}/review/{question['tracklet']}", json=body)


def undo(running: Running, correction: int) -> None:
    done = running.client.post(f"{API}/corrections/{correction}/undo")
    assert done.status_code == 200, done.text


def test_the_questions_show_both_sides(running: Running) -> None:
    found = questions(running)
    together = [q for q in found if q["together"]]
    apart = [q for q in found if not q["together"]]
    assert together
    assert apart
    for question in found:
        own, other = question["identity"], question["candidate"]
        assert (own["identity"] == other["identity"]) == question["together"]
        assert question["shown"]["crops"]
        starts = {v["tracklet"]: v["start"] for v in running.visits(other["identity"])}
        starts.pop(question["tracklet"], None)
        assert starts[question["compared"]] == question["other"]["start"]
        away = {number: abs(s - question["shown"]["start"]) for number, s in starts.items()}
        assert away[question["compared"]] == min(away.values())
        for url in (*question["shown"]["crops"], *question["other"]["crops"]):
            assert running.client.get(url).status_code == 200
    doubts = [q["doubt"] for q in together]
    assert doubts == sorted(doubts, reverse=True)


def test_an_answered_question_does_not_come_back_until_it_is_undone(running: Running) -> None:
    question = next(q for q in questions(running) if q["together"])
    one = question["identity"]["identity"]
    before = len(running.visits(one))
    for answer in ("same", "different"):
        done = say(running, question, answer)
        assert done.status_code == 200, done.text
        tracklets = [q["tracklet"] for q in questions(running)]
        assert question["tracklet"] not in tracklets
        again = say(running, question, answer)
        assert again.status_code == 409
        assert "meanwhile" in again.json()["detail"]
        left = before - (answer == "different")
        running.await_(lambda left=left: len(running.visits(one)) == left)
        assert not any(v["confirmed_by"] for v in running.visits(one))  # of the two alone
        undo(running, done.json()["correction"])
        running.await_(lambda: question in questions(running))


def test_two_identities_are_merged_or_kept_apart(running: Running) -> None:
    question = next(q for q in questions(running) if not q["together"])
    own, other = question["identity"]["identity"], question["candidate"]["identity"]
    kept = say(running, question, "different").json()["correction"]
    assert not any(v["confirmed_by"] for v in running.visits(own))
    assert question["tracklet"] not in [q["tracklet"] for q in questions(running)]
    undo(running, kept)
    merged = say(running, question, "same")
    if merged.status_code == 409:  # the truth of this site: they were in two places
        assert "two places at once" in merged.json()["detail"]
        assert question["tracklet"] in [q["tracklet"] for q in questions(running)]
    else:
        running.await_(lambda: max(own, other) not in running.people())
        undo(running, merged.json()["correction"])


def test_a_skipped_question_does_not_come_back(running: Running) -> None:
    question = questions(running)[-1]
    done = say(running, question, "skip")
    assert done.json() == {"correction": None}
    assert question["tracklet"] not in [q["tracklet"] for q in questions(running)]
    assert all(
        not v["confirmed_by"]
        for v in running.visits(question["identity"]["identity"])
        if v["tracklet"] == question["tracklet"]
    )


def test_what_is_refused(running: Running) -> None:
    question = questions(running)[0]
    assert say(running, question | {"tracklet": 10**6}, "same").status_code == 409
    wrong = question | {"candidate": {"identity": 10**6}}
    assert say(running, wrong, "same").status_code == 409
    other = say(running, question | {"compared": 10**6}, "same")
    assert other.status_code == 409
    assert "somebody else's meanwhile" in other.json()["detail"]
    assert say(running, question, "perhaps").status_code == 422
    assert running.client.post(f"{API}/review/x", json={}).status_code == 422
    assert running.client.get(f"{API}/review", params={"limit": 51}).status_code == 422
    assert question in questions(running)
