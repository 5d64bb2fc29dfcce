"""The API against its own description: whatever is asked, it never fails by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.schemas import OpenApiSchema

from pipeline.viewer.access.access import Access
from pipeline.viewer.access.roles import Role
from pipeline.viewer.app import create_app
from tests.pipeline import stored_site
from tests.pipeline.viewer.access.conftest import PASSWORD

API = "/api/v1"
_NO_MATCHER = "no matcher runs"  # the only reason not to do what was asked


@pytest.fixture(scope="module")
def described(
    tmp_path_factory: pytest.TempPathFactory, quick_hashes: None
) -> Iterator[OpenApiSchema]:
    folder = tmp_path_factory.mktemp("site")
    site = stored_site.create(folder)
    stored_site.fill(site, folder)
    access = Access(site.data_dir, 1)
    access.users.add("ada", PASSWORD, Role.ADMINISTRATOR)
    headers = {"Authorization": f"Bearer {access.tokens.add('ada', '', None, 1)[1]}"}
    schema = schemathesis.openapi.from_asgi(
        f"{API}/openapi.json", create_app(site), headers={**headers, "Host": "localhost"}
    )
    schema.config.update(headers=headers | {"Host": "localhost"})
    yield schema
    access.close()


def test_no_question_is_a_server_error(described: OpenApiSchema) -> None:
    endless = [f"{API}/events", f"{API}/live"]
    statuses: Counter[int] = Counter()
    for result in described.exclude(path=endless).get_all_operations():
        for mode in schemathesis.GenerationMode:
            ask(result.ok(), mode, statuses)
    assert min(statuses[200], statuses[404], statuses[422]) > 10
    assert not statuses[403]


def ask(operation: APIOperation, mode: schemathesis.GenerationMode, statuses: Counter[int]) -> None:
    """Questions that fit the description, or that do not."""

    @settings(
        max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(operation.as_strategy(generation_mode=mode))
    def answers(case: schemathesis.Case) -> None:
        answer = case.call()
        statuses[answer.status_code] += 1
        if answer.status_code >= 500:
            assert answer.status_code == 503
            assert _NO_MATCHER in answer.text

    with suppress(Unsatisfiable):  # where everything fits
        answers()
