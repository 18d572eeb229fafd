"""A trained model as a file: written in our own format, read from that or from any that is known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import safetensors.torch
import torch
from torch import Tensor

from algoscope import atomic
from algoscope.checkpoints.content import Content, read_content
from algoscope.checkpoints.format import Converted, Format
from algoscope.checkpoints.formats import FORMATS
from algoscope.checkpoints.hooked import HOOKED
from algoscope.checkpoints.live import Live, content_of
from algoscope.checkpoints.named import Names, by_names
from algoscope.checkpoints.settings import Inference, absent, infer, refuse_unknown, sizes, weights
from algoscope.checkpoints.size import refuse_too_large
from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer

VERSION = 1
"""Of the header: `algoscope` (this number), `config`, `task` and `training`, each as JSON."""

NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True)
class Checkpoint:
    """A trained model, with what its file says about it."""

    model: Transformer
    """On the CPU, in float32, its parameters frozen."""
    task: str | None
    training: Mapping[str, object]
    """How it was trained, as `algoscope train` records it; empty if the file does not say."""
    inferred: tuple[Inference, ...]
    """Settings that the file does not state outright, and what they were concluded from."""
    name: str
    format: str = "algoscope"
    """Which kind of file it was."""


def write(
    path: str | Path, model: Transformer, task: str | None = None, training: Mapping[str, object] = NOTHING
) -> None:
    """Write a checkpoint; whatever was at `path` stays until the new one is complete.

    `training` is any JSON. Folders that don't exist are made. Raises UserError if the file can't be written.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    header = {"config": model.config.to_dict(), "task": task, "training": dict(training)}
    metadata = {"algoscope": str(VERSION), **{key: json.dumps(value) for key, value in header.items()}}
    atomic.write(Path(path), safetensors.torch.save(tensors, metadata))


def read(
    source: str | Path | Live,
    usual: Mapping[str, object] = NOTHING,
    given: Mapping[str, object] = NOTHING,
    names: Names | None = None,
) -> Checkpoint:
    """The checkpoint in a file of ours or of another format that is known, whatever it is called; or of a
    model in memory, which is copied.

    `given` are settings that override what the file says, `usual` those that fill in what it can't say.
    `names` map the file's tensors onto ours, in place of the formats that recognise themselves. Never runs
    code from the file. Raises UserError, with the path, for a file that gives no model.
    """
    live = isinstance(source, Live)
    where = type(source).__name__ if live else str(source)
    try:
        refuse_unknown(given)
        content = content_of(source) if isinstance(source, Live) else read_content(Path(source))
        if "algoscope" in content.metadata:
            learnt, header, form = weights(content.tensors), _header(content.metadata), "algoscope"
            config, inferred = _stated(header, learnt, given)
            refuse_too_large(config, learnt)
        else:
            header = {"task": None, "training": {}}
            form, converted = _converted_from(content, given, names)
            learnt, config, inferred = _understood(content, converted, usual, given)
            # Our own names and shapes need no word.
            how = Inference("format", form, "names and shapes of its tensors")
            inferred = inferred if form == HOOKED.name else (how, *inferred)
        model = _model(config, learnt)
        zeroed = _zero_subnormals(model)
        task, training = _task_and_training(header)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    name = where if live else Path(where).stem
    return Checkpoint(model, task, training, inferred + _converted(learnt) + zeroed, name, form)


def _converted_from(
    content: Content, given: Mapping[str, object], names: Names | None
) -> tuple[str, Converted]:
    """The format's name, and the weights in our names."""
    known = _recognised(content) if names is None else None
    name = "names given by the user" if known is None else known.name
    try:
        return name, by_names(content, names or {}, given) if known is None else known.convert(content, given)
    except UserError:
        raise
    except (ValueError, TypeError, IndexError, ArithmeticError, RuntimeError) as error:
        # What einops and torch raise for tensors that have a format's names and other shapes.
        reason = str(error).strip().splitlines()[0][:200]
        raise UserError(f"it has the names of {name}, and other shapes ({reason})") from error


def _understood(
    content: Content, converted: Converted, usual: Mapping[str, object], given: Mapping[str, object]
) -> tuple[dict[str, Tensor], Config, tuple[Inference, ...]]:
    """Weights in our names, the config, and what was concluded on the way."""
    config, inferred = infer(converted.state, usual, given, converted.stated)
    learnt = weights(converted.state)
    refuse_too_large(config, learnt)
    learnt, zero = with_zero_biases(config, learnt)
    notes = tuple(Inference(what, value, "found beside the weights") for what, value in content.notes)
    return learnt, config, (*notes, *inferred, *zero, *absent(converted.untold))


def _recognised(content: Content) -> Format:
    for known in FORMATS:
        if known.recognises(content.tensors):
            return known
    shown = ", ".join(sorted(content.tensors)[:3])
    have = ", ".join(each.name for each in FORMATS)
    raise UserError(f"no known format: it holds {shown} ...; {have} are read, others with names=")


def with_zero_biases(
    config: Config, learnt: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], tuple[Inference, ...]]:
    """The weights, with zeros for biases that the file leaves out."""
    expected = Transformer(config).state_dict()
    absent = [name for name in expected if name not in learnt and name.rsplit(".", 1)[-1].startswith("b")]
    if not absent:
        return dict(learnt), ()
    shown = ", ".join(absent[:3]) + (f" and {len(absent) - 3} more" if len(absent) > 3 else "")
    zeros = {name: torch.zeros_like(expected[name]) for name in absent}
    return {**learnt, **zeros}, (Inference("biases", "zero", f"not in the file: {shown}"),)


def _header(metadata: Mapping[str, str]) -> dict[str, object]:
    if metadata["algoscope"] != str(VERSION):
        raise UserError(
            f"written in format {metadata['algoscope']}, while this algoscope reads {VERSION}: update it"
        )
    try:
        return {key: json.loads(metadata[key]) for key in ("config", "task", "training")}
    except (KeyError, ValueError) as error:
        raise UserError(f"the header is damaged ({error}): write the checkpoint again") from error


def _stated(
    header: Mapping[str, object], learnt: Mapping[str, Tensor], given: Mapping[str, object]
) -> tuple[Config, tuple[Inference, ...]]:
    """The config in the header with what was `given` in its place, if the weights have its sizes."""
    stated = header["config"]
    if not isinstance(stated, dict):
        raise UserError("the header is damaged (config is no object): write the checkpoint again")
    config = Config.from_dict(stated | dict(given))
    for fact in sizes(learnt):
        value = getattr(config, fact.setting)
        if value != fact.value:
            raise UserError(f"{fact.setting} is {value}, but the weights have {fact.value} ({fact.source})")
    changed = {setting: value for setting, value in given.items() if stated.get(setting) != value}
    return config, tuple(
        Inference(setting, value, f"argument, in place of {stated.get(setting)!r} in the file", assumed=True)
        for setting, value in changed.items()
    )


def _task_and_training(header: Mapping[str, object]) -> tuple[str | None, Mapping[str, object]]:
    task, training = header["task"], header["training"]
    if (task is None or isinstance(task, str)) and isinstance(training, dict):
        return task, training
    raise UserError("the header is damaged (task or training): write the checkpoint again")


def _model(config: Config, learnt: Mapping[str, Tensor]) -> Transformer:
    model = Transformer(config)
    expected = model.state_dict()
    for what, names in (("missing", expected.keys() - learnt), ("unexpected", learnt.keys() - expected)):
        if names:
            first, more = sorted(names)[:3], len(names) - 3
            rest = f" and {more} more" if more > 0 else ""
            raise UserError(f"{what} for this config: {', '.join(first)}{rest}")
    for name, value in learnt.items():
        if value.shape != expected[name].shape:
            raise UserError(f"{name} is {list(value.shape)}: expected {list(expected[name].shape)}")
    model.load_state_dict(dict(learnt))
    return model.eval().requires_grad_(False)


def _converted(learnt: Mapping[str, Tensor]) -> tuple[Inference, ...]:
    kinds = {str(value.dtype).removeprefix("torch.") for value in learnt.values()} - {"float32"}
    source = f"the file holds {', '.join(sorted(kinds))}"
    return (Inference("dtype", "float32", source),) if kinds else ()


@torch.no_grad()
def _zero_subnormals(model: Transformer) -> tuple[Inference, ...]:
    """Sets weights that are too small for a normal float32 to zero, and says how many.

    Weight decay leaves them in neurons that died. They change no result, but many processors multiply
    them a hundred times slower.
    """
    tiny, count = torch.finfo(torch.float32).tiny, 0
    for value in model.parameters():
        subnormal = (value != 0) & (value.abs() < tiny)
        value[subnormal] = 0.0
        count += int(subnormal.sum())
    source = f"smaller than {tiny:.1e}, too small to change a result, and slow to multiply"
    return (Inference("weights set to zero", count, source),) if count else ()
