"""Names that notebooks know and that are not here: what to use instead, a line each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from algoscope.errors import AbsentError, NotImportableError

TOKENIZER = "texts become tokens through a task: give one, HookedTransformer(cfg, task='brackets')"
DATA = "take inputs from a task: model.task.sample(100, seed=0).tokens"
TEXTS = "the models here answer questions and continue no texts: take the logits of model(tokens)"
FROM_WITHIN = "run the whole model, with a hook at the site where your value belongs"
RESET = "use model.reset_hooks()"
WEIGHTS_AGAIN = "make a new model: HookedTransformer(cfg); its seed is cfg.seed"
NO_BACKWARD = "hooks see values, not gradients: algoscope.interventions.attribution_patching"
MASK = "masks are made in each run: model.transformer.attention_bias(tokens)"
NO_GATE = "this model's MLPs are not gated: gated_mlp=True in the config"
GLOBAL = "wrap the code in torch.no_grad() or torch.enable_grad()"
INDEX = "give the int, the tuple, the list or the slice itself"
RANDOM = "torch.nn.init has them"
HUGGING_FACE = "use the package `datasets` itself, or a task's own inputs"

MODEL: Mapping[str, str] = {
    **dict.fromkeys(("tokenizer", "set_tokenizer"), TOKENIZER),
    **dict.fromkeys(("dataset", "sample_datapoint", "load_sample_training_dataset"), DATA),
    "generate": TEXTS,
    **dict.fromkeys(("input_to_embed", "get_residual", "get_pos_offset"), FROM_WITHIN),
    **dict.fromkeys(("remove_all_hook_fns", "clear_contexts"), RESET),
    **dict.fromkeys(("check_and_add_hook", "check_hooks_to_add"), "use model.add_hook(name, hook)"),
    **dict.fromkeys(
        ("add_caching_hooks", "get_caching_hooks"), "use model.run_with_cache(tokens, names_filter=)"
    ),
    **dict.fromkeys(("init_weights", "move_model_modules_to_device", "mps"), WEIGHTS_AGAIN),
    "refactor_factored_attn_matrices": "take the SVD of model.OV and model.QK",
    "fill_missing_keys": "a state dict may lack nothing: algoscope.load reads incomplete files",
    "config": "use model.cfg, or model.transformer.config",
    "sites": "use model.hook_dict, or model.transformer.sites",
    "setup": "hook points are there from the start: model.hook_dict",
}
PART: Mapping[str, str] = {
    **dict.fromkeys(("mask", "IGNORE"), MASK),
    **dict.fromkeys(("W_gate",), NO_GATE),
    "cfg": "use model.cfg",
    "hook_rot_q": "positions are learnt or fixed vectors, added to the stream: hook_q",
    "hook_rot_k": "positions are learnt or fixed vectors, added to the stream: hook_k",
}
CACHE: Mapping[str, str] = {
    "toggle_autodiff": GLOBAL,
    **dict.fromkeys(("has_embed", "has_pos_embed"), "every model has both embeddings"),
    **dict.fromkeys(("grad", "backward"), NO_BACKWARD),
}
CONFIG: Mapping[str, str] = {
    "n_params": "sum(p.numel() for p in model.parameters())",
    "model_name": "models have no name beside the file they are read from",
    "unwrap": "HookedTransformerConfig.from_dict(config_dict)",
    "set_seed_everywhere": "torch.manual_seed; a new model's weights come from cfg.seed alone",
}
UTILS: Mapping[str, str] = {
    "test_prompt": "model(text) gives the logits of the task's classes: model.task.classes",
    "Slice": INDEX,
    "SliceInput": INDEX,
    "sample_logits": "torch.distributions.Categorical(logits=logits).sample()",
    **dict.fromkeys(
        ("get_dataset", "tokenize_and_concatenate", "keep_single_column", "download_file_from_hf"),
        HUGGING_FACE,
    ),
    **dict.fromkeys(
        ("gelu_new", "gelu_fast", "solu", "ACTIVATION_FN_DICT"), "algoscope.model.config.ACTIVATIONS"
    ),
    **dict.fromkeys(
        ("init_xavier_uniform_", "init_xavier_normal_", "init_kaiming_uniform_", "init_kaiming_normal_"),
        RANDOM,
    ),
    "print_gpu_mem": "torch.cuda.memory_allocated()",
    "get_attention_mask": MASK,
    "get_nested_attr": "operator.attrgetter(name)(model)",
    "LocallyOverridenDefaults": "give the argument to each call",
    "USE_DEFAULT_VALUE": "leave the argument out",
}
ROOM: Mapping[str, str] = {
    "head_detector": "algoscope.analysis.looks says where each head looks",
    "evals": "algoscope.analysis.accuracy scores a model on a task's examples",
    "train": "algoscope.training.train, or a plain loop over model.parameters()",
    "SVDInterpreter": "model.OV.svd() gives the singular vectors",
    "HookedRootModule": "HookedTransformer is the one model that has hook points",
    **dict.fromkeys(
        ("HookedEncoder", "BertNextSentencePrediction"), "attention_dir='bidirectional' in the config"
    ),
    **dict.fromkeys(("HookedEncoderDecoder", "HookedAudioEncoder"), "a model here is one stack of blocks"),
    **dict.fromkeys(
        ("EasyTransformer", "EasyTransformerConfig"), "it is HookedTransformer, HookedTransformerConfig"
    ),
    **dict.fromkeys(
        ("HookedTransformerKeyValueCache", "past_key_value_caching"), "every run computes all positions"
    ),
    **dict.fromkeys(("loading", "loading_from_pretrained"), "HookedTransformer.from_pretrained takes a file"),
    "factories": "algoscope.model.config.ACTIVATIONS",
}


def absent(what: str, name: str, remedies: Mapping[str, str], present: Iterable[str] = ()) -> AbsentError:
    """The error to raise: with the remedy for a name that is known, else with the nearest that is there."""
    if name in remedies:
        return AbsentError(f"{what} has no {name}: {remedies[name]}")
    near = get_close_matches(name, list(present), n=1)
    return AbsentError(f"{what} has no {name}" + (f": did you mean {near[0]}?" if near else ""))


def not_importable(module: str, name: str, remedies: Mapping[str, str]) -> ImportError | AttributeError:
    """The error to raise in the `__getattr__` of a module; Python's own for a name that is not known."""
    if name in remedies:
        return NotImportableError(f"{module} has no {name}: {remedies[name]}")
    return AttributeError(f"module {module!r} has no attribute {name!r}")
