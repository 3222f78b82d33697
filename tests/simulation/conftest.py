"""Simulated nodes say a lot, and nobody reads it."""

import logging

import pytest
import structlog


@pytest.fixture(autouse=True)
def silence():
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)
