"""A name that notebooks know and that is not here says what to use instead."""

from __future__ import annotations

import copy
import importlib
import re

import pytest

from algoscope import hooked
from algoscope.errors import AbsentError, NotImportableError, UserError
from algoscope.hooked import HookedTransformer, HookedTransformerConfig, absent, patching, utils

TABLES = ("MODEL", "PART", "CACHE", "CONFIG", "UTILS", "ROOM")


@pytest.fixture
def things(padded_model, tokens_for):
    model = HookedTransformer.wrap(padded_model)
    _, cache = model.run_with_cache(tokens_for(padded_model))
    return {"MODEL": model, "PART": model.blocks[0].attn, "CACHE": cache, "CONFIG": model.cfg}


@pytest.mark.parametrize("table", ["MODEL", "PART", "CACHE", "CONFIG"])
def test_every_name_of_a_table_is_absent_and_has_one_line(table, things):
    for name, remedy in vars(absent)[table].items():
        with pytest.raises(AbsentError, match=re.escape(f"no {name}: {remedy}")) as raised:
            getattr(things[table], name)
        assert isinstance(raised.value, AttributeError)
        assert isinstance(raised.value, UserError)
        assert "\n" not in str(raised.value)
        assert not hasattr(things[table], name)


@pytest.mark.parametrize(
    ("module", "table"), [(utils, absent.UTILS), (hooked, absent.ROOM), (patching, patching.UNKNOWN)]
)
def test_a_name_that_is_imported_or_asked_for_keeps_its_remedy(module, table):
    for name, remedy in table.items():
        with pytest.raises(NotImportableError, match=re.escape(remedy)):
            exec(f"from {module.__name__} import {name}")
        with pytest.raises(UserError, match=re.escape(remedy)):
            getattr(module, name)
        assert name not in vars(module)


def test_any_other_name_is_pythons_own_error_or_the_nearest_one(things):
    with pytest.raises(ImportError, match="cannot import name"):
        exec("from algoscope.hooked import nothing_of_this_name")
    assert not hasattr(utils, "nothing_of_this_name")
    for table, typo, near in (
        ("MODEL", "run_with_hook", "run_with_hooks"),
        ("PART", "hook_quer", "hook_q"),
        ("CACHE", "decompose_residual", "decompose_resid"),
        ("CONFIG", "d_modle", "d_model"),
    ):
        with pytest.raises(AbsentError, match=f"did you mean {near}"):
            getattr(things[table], typo)


def test_what_a_remedy_names_is_there(things):
    """Every `algoscope.…`, `model.…` and `cfg.…` in a remedy."""
    cfg = things["CONFIG"]
    for table in TABLES:
        for remedy in vars(absent)[table].values():
            for path in re.findall(r"\balgoscope(?:\.\w+)+", remedy):
                exists(path)
            for name in re.findall(r"(?<!\.)\bmodel\.(\w+)", remedy):
                assert hasattr(things["MODEL"], name), remedy
            for name in re.findall(r"(?<!\.)\bcfg\.(\w+)", remedy):
                assert hasattr(cfg, name), remedy


def exists(path: str) -> None:
    """A module, or a name in one."""
    try:
        importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(module), name), path


def test_copies_and_pickles_ask_for_nothing_that_is_absent(things):
    assert copy.deepcopy(things["MODEL"]).cfg == things["CONFIG"]
    assert copy.copy(things["CACHE"]).keys() == things["CACHE"].keys()
    assert copy.deepcopy(things["CONFIG"]) == HookedTransformerConfig.of(
        things["CONFIG"].config, device="cpu", dtype=things["CONFIG"].dtype
    )
