"""Stand-ins as fixtures; importing this file also lets the tests below import `standins`."""

import pytest

from tests.cddfm.standins import small_estimator, small_generator, small_model


@pytest.fixture(scope="session")
def egg():
    return small_model()


@pytest.fixture
def tiny_generator():
    return small_generator()


@pytest.fixture
def tiny_estimator():
    return small_estimator()
